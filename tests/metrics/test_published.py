from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.stats import pearsonr

from scpi.metrics import (
    distance_ratio,
    energy_distance,
    expressing_fraction_difference,
    expressing_mean_difference,
    mean_pairwise_distance,
    mean_r2,
    mean_r2_bootstrap,
    pearson_delta,
)

CELLS = arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=st.integers(0, 4).map(float))


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    means = rng.exponential(2, size=30)
    return rng.poisson(means, size=(25, 30)).astype(float), rng.poisson(means + 0.5, size=(40, 30)).astype(float)


# --- squared correlation of means


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_r2_of_means_as_scipy(convert, cells):
    real, predicted = cells
    expected = pearsonr(real.mean(0), predicted.mean(0)).statistic ** 2
    assert mean_r2(convert(real), convert(predicted)) == pytest.approx(expected, rel=1e-12)
    top = np.array([3, 1, 7, 20])
    expected = pearsonr(real[:, top].mean(0), predicted[:, top].mean(0)).statistic ** 2
    assert mean_r2(convert(real), convert(predicted), genes=top) == pytest.approx(expected, rel=1e-12)
    mask = np.isin(np.arange(30), top)
    assert mean_r2(convert(real), convert(predicted), genes=mask) == pytest.approx(expected, rel=1e-12)


def test_r2_of_means_sees_neither_signs_nor_perturbations():
    rng = np.random.default_rng(1)
    base, change = rng.exponential(2, size=200), rng.normal(0, 0.1, size=200)
    real, control = (base + change)[None], base[None]
    assert mean_r2(real, control) > 0.99
    assert mean_r2([[0.0, 1.0]], [[1.0, 0.0]]) == pytest.approx(1)
    # What it is taken for: here it is undefined, as no change is predicted
    assert pearson_delta(change, 0 * change) == 0


def test_bootstrap_draws_parts_without_replacement(cells):
    real, predicted = cells
    values = mean_r2_bootstrap(real, predicted, n_bootstrap=6, rng=3)
    generator = np.random.default_rng(3)
    draws = [generator.permuted(np.tile(np.arange(n) < 0.8 * n, (6, 1)), axis=1) for n in (25, 40)]
    assert [draw.sum(axis=1).tolist() for draw in draws] == [[20] * 6, [32] * 6]
    expected = [pearsonr(real[x].mean(0), predicted[y].mean(0)).statistic ** 2 for x, y in zip(*draws, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=1e-10)
    matrices = sparse.csr_array(real), sparse.csc_matrix(predicted)
    np.testing.assert_allclose(mean_r2_bootstrap(*matrices, n_bootstrap=6, rng=3), values, rtol=1e-10)


def test_bootstrap_of_everything_is_the_value_itself(cells):
    values = mean_r2_bootstrap(*cells, genes=[1, 2, 5], fraction=1.0, n_bootstrap=3)
    np.testing.assert_allclose(values, mean_r2(*cells, genes=[1, 2, 5]), rtol=1e-10)


# --- cells that express a gene


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_expressing_cells_by_hand(convert):
    # Shares 1/2, 1, 0 and 1/2 against 1, 1, 1/2 and 0; means 2, 3, -, 4 against 1, 3, 9, -
    real = convert(np.array([[0.0, 2.0, 0.0, 4.0], [2.0, 4.0, 0.0, 0.0]]))
    predicted = convert(np.array([[1.0, 3.0, 9.0, 0.0], [1.0, 3.0, 0.0, 0.0]]))
    assert expressing_fraction_difference(real, predicted) == pytest.approx((0.5 + 0 + 0.5 + 0.5) / 4)
    assert expressing_mean_difference(real, predicted) == pytest.approx((0.5 + 0) / 2)
    assert expressing_fraction_difference(real, predicted, genes=[0, 1]) == pytest.approx(0.25)
    assert expressing_mean_difference(real, predicted, genes=[0]) == pytest.approx(0.5)
    assert np.isnan(expressing_mean_difference(real, predicted, genes=[2, 3]))
    # Above 1 the first gene of the prediction is off
    assert expressing_fraction_difference(real, predicted, threshold=1.0) == pytest.approx(1.5 / 4)
    assert expressing_mean_difference(real, predicted, threshold=1.0) == 0


# --- ratios of distances


def test_ratio_of_distances_by_hand():
    real, predicted, control = (np.array([[value]]) for value in (4.0, 3.0, 0.0))
    assert distance_ratio(real, predicted, control, distance=mean_pairwise_distance) == 0.25
    value = distance_ratio(real, predicted, control, distance=mean_pairwise_distance, denominator="predicted")
    assert value == pytest.approx(1 / 3)


def test_only_the_distance_of_the_real_cells_is_a_fair_denominator():
    rng = np.random.default_rng(2)
    control, real = rng.normal(size=(100, 3)), rng.normal(0.5, size=(100, 3))
    near, far = rng.normal(0.1, size=(100, 3)), rng.normal(50, size=(100, 3))
    assert distance_ratio(real, near, control) < 1 < distance_ratio(real, far, control)
    published = [distance_ratio(real, cells, control, denominator="predicted") for cells in (near, far)]
    assert published[1] == pytest.approx(1, abs=0.05)
    assert published[0] > 2
    assert distance_ratio(real, control, control) == pytest.approx(1)


def test_no_measurable_effect_has_no_ratio():
    x = np.random.default_rng(3).normal(size=(30, 2))
    assert energy_distance(x, x) < 0
    assert np.isnan(distance_ratio(x, x + 1, x))


# --- all


@settings(max_examples=50, deadline=None)
@given(real=CELLS, predicted=CELLS)
def test_properties(real, predicted):
    value = mean_r2(real, predicted)
    assert 0 <= value <= 1 or np.isnan(value)
    assert 0 <= expressing_fraction_difference(real, predicted) <= 1
    assert expressing_fraction_difference(real, real) == 0
    for metric in (expressing_fraction_difference, expressing_mean_difference, mean_r2):
        matrices = sparse.csr_array(real), sparse.csr_array(predicted)
        assert metric(*matrices) == pytest.approx(metric(real, predicted), nan_ok=True)


def test_bad_input(cells):
    for metric in (mean_r2, mean_r2_bootstrap, expressing_fraction_difference, expressing_mean_difference):
        with pytest.raises(ValueError, match="must be the same genes"):
            metric(cells[0], cells[1][:, 1:])
        with pytest.raises(ValueError, match="`genes` must be positions of genes or a boolean mask"):
            metric(*cells, genes=["ISG15"])
    for metric in (expressing_fraction_difference, expressing_mean_difference):
        with pytest.raises(ValueError, match="`threshold` must not be negative, but is -1"):
            metric(*cells, threshold=-1.0)
    with pytest.raises(ValueError, match="`n_bootstrap` must be at least 1"):
        mean_r2_bootstrap(*cells, n_bootstrap=0)
    for fraction in (0.0, 1.1):
        with pytest.raises(ValueError, match="`fraction` must be above 0"):
            mean_r2_bootstrap(*cells, fraction=fraction)
    with pytest.raises(ValueError, match="'real' or 'predicted', but is 'control'"):
        distance_ratio(*cells, cells[0], denominator="control")
