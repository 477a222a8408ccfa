from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.metrics import completeness, dci, disentanglement


def scores(found):
    return found.disentanglement, found.completeness, found.informativeness


def test_scores_by_hand():
    importance = np.array([[3.0, 1.0], [0.0, 4.0], [0.0, 0.0]])
    # Unit 1: a quarter and three quarters; unit 2: one truth only; unit 3 has no weight
    first = 1 - stats.entropy([0.75, 0.25], base=2)
    assert disentanglement(importance) == pytest.approx((4 * first + 4 * 1.0) / 8)
    # Truth 1: one unit of three; truth 2: a fifth and four fifths
    second = 1 - stats.entropy([0.2, 0.8], base=3)
    assert completeness(importance) == pytest.approx((3 * 1.0 + 5 * second) / 8)


def test_bounds():
    assert disentanglement(np.eye(4)) == completeness(np.eye(4)) == 1.0
    assert disentanglement(np.ones((5, 3))) == pytest.approx(0.0, abs=1e-12)
    assert completeness(np.ones((5, 3))) == pytest.approx(0.0, abs=1e-12)
    # Two units for each truth: disentangled, but not complete
    split = np.repeat(np.eye(3), 2, axis=0)
    assert disentanglement(split) == 1.0
    assert completeness(split) == pytest.approx(1 - np.log(2) / np.log(6))
    assert disentanglement(split.T) == pytest.approx(1 - np.log(2) / np.log(6))


@pytest.fixture(scope="module")
def truths():
    rng = np.random.default_rng(0)
    return rng.gamma(2.0, size=(600, 3)) * (rng.random((600, 3)) < 0.5)


@pytest.mark.parametrize("predictor", ["forest", "lasso"])
def test_units_that_are_the_truths_and_units_that_mix_them(truths, predictor):
    noise = np.random.default_rng(1).normal(size=(600, 1))
    right = dci(np.hstack([noise, -5.0 * truths[:, ::-1]]), truths, predictor=predictor, n_trees=20)
    assert right.disentanglement > 0.97
    assert right.completeness > 0.97
    assert right.informativeness > 0.97
    np.testing.assert_array_equal(right.importance.argmax(axis=0), [3, 2, 1])
    np.testing.assert_allclose(right.importance.sum(axis=0), 1.0)
    mixed = dci(truths @ np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1.0]]), truths, predictor=predictor, n_trees=20)
    assert mixed.disentanglement < 0.4
    assert mixed.completeness < 0.4
    assert mixed.informativeness > 0.7


def test_a_forest_sees_what_a_line_does_not(truths):
    units = (truths - truths.mean(axis=0)) ** 2 * [1, 10, 100]
    centred = np.abs(truths - truths.mean(axis=0))
    forest, lasso = (dci(units, centred, predictor=name, n_trees=20) for name in ("forest", "lasso"))
    assert forest.informativeness > 0.97
    assert lasso.informativeness < forest.informativeness
    # The scale of a unit is not its importance
    assert lasso.disentanglement > 0.9


def test_noise_informs_of_nothing(truths):
    found = dci(np.random.default_rng(2).normal(size=(600, 4)), truths, n_trees=20)
    assert found.informativeness < 0.02
    assert found.disentanglement < 0.1


def test_informativeness_is_that_of_held_out_cells():
    """A forest that has grown on noise explains the cells it has seen."""
    rng = np.random.default_rng(3)
    found = dci(rng.normal(size=(200, 3)), rng.normal(size=(200, 2)), n_trees=30)
    assert found.informativeness < 0.1


def test_labels_are_truths():
    labels = np.arange(300) % 3
    found = dci(np.eye(3)[labels], labels.astype(str), n_trees=10)
    assert scores(found) == pytest.approx((1.0, 1.0, 1.0), abs=1e-6)


def test_the_seed_decides(truths):
    units = truths + np.random.default_rng(4).normal(size=truths.shape)
    first, again, other = (dci(units, truths, n_trees=5, rng=seed) for seed in (0, 0, 1))
    assert scores(first) == scores(again)
    assert scores(first) != scores(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"predictor": "trees"}, "`predictor` must be 'forest' or 'lasso', but is 'trees'"),
        ({"units": np.arange(20.0)[:, None]}, "at least two units and two truths, but there are 1 and 2"),
        ({"truths": np.arange(20.0)[:, None]}, "but there are 2 and 1"),
        ({"truths": np.eye(19)}, "20 cells and `truths` has 19"),
        ({"truths": np.eye(20)[:, :2] * 0}, "do not"),
    ],
)
def test_bad_input(arguments, message):
    given = {"units": np.arange(40.0).reshape(20, 2), "truths": np.arange(40.0).reshape(20, 2), **arguments}
    with pytest.raises(ValueError, match=message):
        dci(given.pop("units"), given.pop("truths"), **given)


@pytest.mark.parametrize("score", [disentanglement, completeness])
@pytest.mark.parametrize(
    ("importance", "message"),
    [
        ([[1.0, -1.0], [0.0, 1.0]], "must not be negative"),
        (np.zeros((2, 2)), "nor 0 for all"),
        ([[np.nan, 1.0]], "NaN"),
        ([[1.0]], "at least two .* but there is 1"),
    ],
)
def test_bad_importance(score, importance, message):
    with pytest.raises(ValueError, match=message):
        score(importance)
