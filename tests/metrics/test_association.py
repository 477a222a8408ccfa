from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.metrics import mutual_info_score

from scpi.metrics import association, lms, match_units, mig, msas, msgs

# Units x truths: the best unit of both truths is the first
MATRIX = np.array([[0.9, 0.8], [0.7, 0.1], [0.2, 0.3]])


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    truths = rng.gamma(2.0, size=(300, 3)) * (rng.random((300, 3)) < 0.5)
    units = np.column_stack([truths[:, 1] ** 3, -truths[:, 0] + 0.1 * rng.normal(size=300), rng.normal(size=300)])
    return units, truths


def test_spearman_is_that_of_scipy(cells):
    units, truths = cells
    found = association(units, truths)
    assert found.shape == (3, 3)
    for i, unit in enumerate(units.T):
        for j, truth in enumerate(truths.T):
            assert found[i, j] == pytest.approx(abs(stats.spearmanr(unit, truth).statistic), abs=1e-12)
    # A monotone function of the truth has 1, zeros and all
    assert found[0, 1] == pytest.approx(1.0)


def test_a_unit_that_is_never_zero_has_the_ceiling_that_is_stated():
    rng = np.random.default_rng(4)
    truth = rng.random(4000) * (np.arange(4000) < 1400)
    unit = np.where(truth > 0, truth, -rng.random(4000))
    assert association(unit[:, None], truth[:, None])[0, 0] == pytest.approx(np.sqrt(1 - 0.65**3), abs=1e-3)


@pytest.mark.parametrize("n_bins", [2, 10, 17])
def test_information_is_that_of_scikit_learn(cells, n_bins):
    units, truths = cells
    truths = np.column_stack([truths, truths[:, 0] > 0, np.arange(300) % n_bins])
    found = association(units, truths, how="smi", n_bins=n_bins)

    def binned(values):
        edges = np.linspace(values.min(), values.max(), n_bins + 1)
        return np.digitize(values, edges[1:-1])

    for j, truth in enumerate(truths.T):
        known = truth if len(np.unique(truth)) <= n_bins else binned(truth)
        for i, unit in enumerate(units.T):
            expected = mutual_info_score(known, binned(unit)) / mutual_info_score(known, known)
            assert found[i, j] == pytest.approx(expected, abs=1e-12)


def test_information_by_hand():
    """A unit that halves a class of two in four: half a bit of the one bit of each truth."""
    unit = np.array([[0.0], [0.0], [0.0], [1.0]])
    label = np.array(["a", "a", "b", "b"])
    expected = 1.0 - (0.75 * stats.entropy([2 / 3, 1 / 3], base=2))
    np.testing.assert_allclose(association(unit, label, how="smi"), [[expected, expected]])
    # It is not symmetric: the entropy is that of the truth
    back = association((label == "b").astype(float)[:, None], unit, how="smi")
    np.testing.assert_allclose(back, expected / stats.entropy([0.75, 0.25], base=2))


def test_information_needs_no_monotone_relation():
    truth = np.linspace(-1, 1, 1001)[:, None]
    assert association(np.abs(truth), truth)[0, 0] < 0.01
    # Of ten classes the unit tells which five pairs
    assert association(np.abs(truth), truth, how="smi")[0, 0] == pytest.approx(np.log(5) / np.log(10), abs=0.02)


def test_information_of_noise_is_as_large_as_it_says():
    rng = np.random.default_rng(1)
    units, truths = rng.random((500, 40)), rng.random((500, 40)) < 0.5
    found = association(units, truths, how="smi")
    assert found.mean() == pytest.approx(9 / (2 * 500 * np.log(2)), rel=0.1)


def test_labels_are_truths_of_their_own(cells):
    units, _ = cells
    labels = np.array(["b", "a", "c"])[np.arange(300) % 3]
    one_hot = np.column_stack([labels == name for name in "abc"])
    for truths in (labels, pd.Categorical(labels), pd.Series(labels), labels.tolist()):
        np.testing.assert_array_equal(association(units, truths), association(units, one_hot))


@pytest.mark.parametrize("how", ["spearman", "smi"])
def test_a_unit_that_does_not_vary_is_associated_with_nothing(cells, how):
    units, truths = cells
    found = association(np.column_stack([units, np.full(300, 3.0)]), truths, how=how)
    assert (found[-1] == 0).all()
    np.testing.assert_allclose(found[:-1], association(units, truths, how=how), atol=1e-14)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.sampled_from(["spearman", "smi"]))
def test_order_scale_and_sign_of_units_do_not_matter(seed, how):
    rng = np.random.default_rng(seed)
    units, truths = rng.integers(0, 7, (40, 4)).astype(float), rng.integers(0, 5, (40, 3)).astype(float)
    if (np.ptp(truths, axis=0) == 0).any():
        return
    found = association(units, truths, how=how)
    assert ((found >= 0) & (found <= 1)).all()
    order = rng.permutation(40)
    np.testing.assert_allclose(association(units[order], truths[order], how=how), found, atol=1e-12)
    np.testing.assert_allclose(association(units * 4.0 + 8.0, truths, how=how), found, atol=1e-12)
    if how == "spearman":
        np.testing.assert_allclose(association(-units, truths, how=how), found, atol=1e-12)


# --- scores


def test_scores_by_hand():
    assert lms(MATRIX) == pytest.approx((0.8 + 0.7) / 2)
    assert msas(MATRIX) == pytest.approx((0.9 + 0.8) / 2)
    assert msgs(MATRIX) == pytest.approx((0.2 + 0.5) / 2)
    assert match_units(MATRIX).tolist() == [1, 0]


def test_fewer_units_than_truths():
    assert lms(MATRIX.T) == pytest.approx((0.8 + 0.7) / 3)
    assert match_units(MATRIX.T).tolist() == [1, 0, -1]
    assert lms(MATRIX[:1]) == pytest.approx(0.9 / 2)
    assert msgs(MATRIX[:1]) == pytest.approx((0.9 + 0.8) / 2)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_bounds_of_scores(n_units, n_truths, seed):
    matrix = np.random.default_rng(seed).random((n_units, n_truths))
    assert 0 <= lms(matrix) <= msas(matrix) + 1e-12 <= 1 + 1e-12
    assert 0 <= msgs(matrix) <= msas(matrix) + 1e-12
    # A unit that copies another takes all the gap away, and nothing else
    doubled = np.vstack([matrix, matrix])
    assert msgs(doubled) == 0
    assert msas(doubled) == msas(matrix)
    # The matching is the best of all
    matched = match_units(matrix)
    total = sum(matrix[unit, truth] for truth, unit in enumerate(matched) if unit >= 0)
    assert lms(matrix) == pytest.approx(total / n_truths)
    assert len(set(matched[matched >= 0])) == min(n_units, n_truths)


def test_the_right_units_score_one_and_mixtures_less():
    rng = np.random.default_rng(2)
    truths = rng.random((2000, 3)) * (rng.random((2000, 3)) < 0.5)
    right = association(truths[:, ::-1], truths)
    assert lms(right) == msas(right) == pytest.approx(1.0)
    assert msgs(right) > 0.9
    mixed = association(truths @ np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1.0]]), truths)
    assert lms(mixed) < 0.8
    assert msgs(mixed) < 0.1


def test_mig_is_the_gap_of_information():
    rng = np.random.default_rng(3)
    truths = rng.integers(0, 4, (400, 2)).astype(float)
    units = np.column_stack([truths[:, 0], truths[:, 0] + truths[:, 1], rng.random(400)])
    expected = []
    for truth in truths.T:
        scores = sorted(
            mutual_info_score(truth, unit) for unit in (units[:, 0], units[:, 1], np.floor(units[:, 2] * 8))
        )
        expected.append((scores[-1] - scores[-2]) / mutual_info_score(truth, truth))
    binned = np.column_stack([units[:, :2], np.floor(units[:, 2] * 8)])
    assert mig(binned, truths) == pytest.approx(np.mean(expected))
    assert mig(truths, truths) > 0.97
    assert mig(np.column_stack([truths, truths]), truths) == pytest.approx(0.0, abs=1e-12)
    # Twenty bins, where the truth has more values
    values = rng.random((400, 2))
    assert mig(values, values) == pytest.approx(msgs(association(values, values, how="smi", n_bins=20)))


@pytest.mark.parametrize(
    ("units", "truths", "options", "message"),
    [
        (np.ones((3, 1)), np.ones((4, 1)), {}, "3 cells and `truths` has 4"),
        (np.ones((3, 1)), [[1.0, 2.0], [1.0, 3.0], [1.0, 4.0]], {}, r"column\(s\) \[0\] of `truths` do not"),
        (np.ones((3, 1)), ["a", "a", "a"], {}, r"column\(s\) \[0\] of `truths` do not"),
        ([[np.nan], [1.0]], [[0.0], [1.0]], {}, "`units` has NaN"),
        ([[0.0], [1.0]], [[0.0], [np.inf]], {}, "`truths` has NaN or infinite"),
        (np.ones(3), np.ones((3, 1)), {}, "`units` must have two dimensions"),
        ([[0.0], [1.0]], [[0.0], [1.0]], {"how": "pearson"}, "`how` must be 'spearman' or 'smi', but is 'pearson'"),
        ([[0.0], [1.0]], [[0.0], [1.0]], {"n_bins": 1}, "`n_bins` must be at least 2, but is 1"),
    ],
)
def test_bad_input(units, truths, options, message):
    with pytest.raises(ValueError, match=message):
        association(units, truths, **options)


def test_sparse_activities_are_refused():
    with pytest.raises(TypeError, match="`units` is a sparse matrix"):
        association(sparse.eye(3), np.eye(3))


@pytest.mark.parametrize("score", [lms, msas, msgs, match_units])
@pytest.mark.parametrize("matrix", [[[1.2]], [[-0.1]], np.zeros((3, 0))])
def test_what_is_no_association(score, matrix):
    with pytest.raises(ValueError, match="associations of units x truths between 0 and 1|has no columns"):
        score(matrix)
