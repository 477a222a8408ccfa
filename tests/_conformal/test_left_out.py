"""What conditions that were left out say of other predictions."""

from __future__ import annotations

import numpy as np
import pytest

from scpi._conformal._left_out import LeftOut, size_of


def planted(n, *, slope=0.0, n_genes=200, rng=0):
    """Predictions whose error is a power of their size."""
    generator = np.random.default_rng(rng)
    size = np.exp(generator.normal(size=(n, 1)))
    predicted = size * generator.choice([-1.0, 1.0], size=(n, n_genes))
    return predicted, predicted + size**slope * generator.normal(size=(n, n_genes))


def test_size_is_the_root_mean_square():
    np.testing.assert_allclose(size_of(np.array([[3.0, 4.0], [0.0, 0.0]])), [np.sqrt(12.5), 0.0])


def test_predictions_of_one_size_have_the_split_conformal_interval():
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(19, 6))
    left_out = LeftOut(np.zeros((19, 6)), measured, np.zeros((19, 6)))
    width = left_out.half_width(np.zeros((1, 6)), 0.9)[0]
    np.testing.assert_allclose(width, np.sort(np.abs(measured), axis=0)[17])
    assert np.isinf(left_out.half_width(np.zeros((1, 6)), 0.96)).all()


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_expected_error_follows_the_predicted_size(slope):
    predicted, measured = planted(400, slope=slope)
    left_out = LeftOut(predicted, measured, predicted)
    asked = np.full((2, 200), [[0.2], [4.0]])
    np.testing.assert_allclose(left_out.expected_error(asked), [0.2**slope, 4.0**slope], rtol=0.05)


def test_an_error_that_falls_with_the_size_is_taken_as_constant():
    predicted, measured = planted(400, slope=-1.0)
    asked = np.full((2, 200), [[0.2], [4.0]])
    first, second = LeftOut(predicted, measured, predicted).expected_error(asked)
    assert first == second


@pytest.mark.parametrize("slope", [0.0, 0.8])
def test_coverage_is_that_of_the_level_in_small_and_large_predictions(slope):
    predicted, measured = planted(160, slope=slope, rng=1)
    left_out = LeftOut(predicted[:80], measured[:80], predicted[:80])
    covered = np.abs(measured - predicted)[80:] <= left_out.half_width(predicted[80:], 0.9)
    large = size_of(predicted[80:]) > np.median(size_of(predicted[80:]))
    assert 0.88 < covered.mean() < 0.93
    assert min(covered[large].mean(), covered[~large].mean()) > 0.86


def test_many_conditions_are_compared_within_classes_of_their_size():
    # Errors that are tenfold in the middle: no line follows them
    rng = np.random.default_rng(0)
    predicted = np.tile(np.linspace(1.0, 4.0, 600)[:, None], 20)
    middle = np.zeros(600, dtype=bool)
    middle[200:400] = True
    measured = predicted + np.where(middle, 10.0, 1.0)[:, None] * rng.normal(size=(600, 20))
    asked = np.full((2, 20), [[2.5], [3.9]])
    width = LeftOut(predicted, measured, predicted).half_width(asked, 0.9).mean(axis=1)
    np.testing.assert_allclose(width, [16.4, 1.64], rtol=0.15)
    few = LeftOut(predicted[::6], measured[::6], predicted[::6]).half_width(asked, 0.9).mean(axis=1)
    np.testing.assert_allclose(few[0], few[1], rtol=0.3)


def test_confidence_is_the_fraction_of_the_squared_change_that_is_expected_to_be_predicted():
    predicted, measured = planted(400)
    left_out = LeftOut(predicted, measured, predicted)
    asked = np.full((3, 200), [[0.0], [1.0], [3.0]])
    np.testing.assert_allclose(left_out.confidence(asked), [0.0, 0.5, 0.9], atol=0.02)


def test_a_prediction_is_better_where_its_like_were_nearer_than_the_mean():
    rng = np.random.default_rng(0)
    n, genes = 60, 50
    size = np.repeat([1.0, 5.0], n // 2)[:, None]
    real = size * rng.normal(size=(n, genes))
    # The small ones are guessed, the large ones are known
    predicted = np.where(size > 1, real + rng.normal(size=(n, genes)), rng.normal(size=(n, genes)))
    left_out = LeftOut(predicted, real, np.zeros((n, genes)))
    asked = np.full((2, genes), [[1.0], [5.0]])
    assert left_out.is_better(asked).tolist() == [False, True]
    assert not LeftOut(predicted, real, predicted).is_better(asked).any()
    assert not LeftOut(predicted[:1], real[:1], real[:1] + 9).is_better(asked).any()
