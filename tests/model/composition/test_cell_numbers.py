"""Also of scpi.model.composition._library and _forest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.model.composition._cell_numbers import (
    best_size,
    draw_numbers,
    fit_cell_numbers,
    log_likelihood,
    poisson_deviance,
)
from scpi.model.composition._forest import forest_library_size, forest_numbers
from scpi.model.composition._library import fit_library_size, log_sums


def groups(rng, *, n_types=4, n_compounds=30, n_plates=6, size=5.0):
    """Indicators of all combinations, their expected numbers of cells, and drawn numbers."""
    codes = np.stack(np.meshgrid(*map(np.arange, (n_types, n_compounds, n_plates)), indexing="ij"), -1).reshape(-1, 3)
    x = np.hstack([(codes[:, [i]] == np.arange(n)) for i, n in enumerate((n_types, n_compounds, n_plates))])
    effects = [rng.normal(0.0, sd, n) for sd, n in ((0.6, n_types), (0.4, n_compounds), (0.2, n_plates))]
    mean = 25.0 * np.exp(sum(effect[codes[:, i]] for i, effect in enumerate(effects)))
    return x.astype(float), mean, draw_numbers(mean, size, rng).astype(float)


def test_the_likelihood_is_that_of_scipy():
    y, mean, size = np.array([0.0, 3.0, 40.0]), np.array([1.0, 5.0, 20.0]), 2.5
    np.testing.assert_allclose(log_likelihood(y, mean, size), stats.nbinom.logpmf(y, size, size / (size + mean)))


def test_the_deviance_is_twice_the_difference_of_likelihoods():
    y, mean = np.array([0.0, 3.0, 7.0]), np.array([1.0, 5.0, 7.0])
    expected = 2 * (stats.poisson.logpmf(y, np.maximum(y, 1e-300)) - stats.poisson.logpmf(y, mean))
    np.testing.assert_allclose(poisson_deviance(y, mean), expected, atol=1e-12)


def test_the_size_is_found():
    rng = np.random.default_rng(0)
    mean = np.full(4000, 30.0)
    assert best_size(draw_numbers(mean, 4.0, rng).astype(float), mean) == pytest.approx(4.0, rel=0.1)
    assert best_size(rng.poisson(mean).astype(float), mean) > 300


def test_means_of_cells_and_exposures_are_found():
    rng = np.random.default_rng(0)
    x, mean, _ = groups(rng)
    exposure = rng.uniform(0.3, 3.0, len(x))
    fitted = fit_cell_numbers(x, draw_numbers(mean * exposure, 50.0, rng).astype(float), exposure)
    error = np.log(fitted.mean(x, exposure) / (mean * exposure))
    assert np.sqrt((error**2).mean()) < 0.1
    assert abs(error.mean()) < 0.02
    assert fitted.size == pytest.approx(50.0, rel=0.35)


def test_the_left_out_likelihood_is_that_of_refits():
    rng = np.random.default_rng(0)
    x, _, y = groups(rng, n_types=2, n_compounds=6, n_plates=3)
    fitted, exposure = fit_cell_numbers(x, y, np.ones(len(y))), np.ones(len(y))
    from scpi.model.composition._cell_numbers import _solve

    start = np.r_[fitted.intercept, fitted.coefficients]
    refitted = 0.0
    for i in range(len(y)):
        kept = np.arange(len(y)) != i
        beta, _ = _solve(x[kept], y[kept], exposure[kept], fitted.size, fitted.penalty, start)
        refitted += log_likelihood(y[i], np.exp(beta[0] + x[i] @ beta[1:]), fitted.size)
    assert fitted.log_likelihood == pytest.approx(refitted, abs=1.0)


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_groups_that_were_left_out_are_uniform_in_what_is_predicted(seed):
    rng = np.random.default_rng(seed)
    x, _, y = groups(rng)
    out = rng.random(len(y)) < 0.3
    exposure = np.ones(len(y))
    fitted = fit_cell_numbers(x[~out], y[~out], exposure[~out])
    drawn = np.stack([fitted.draw(x[out], exposure[out], rng) for _ in range(400)])
    place = (drawn < y[out]).mean(axis=0) + rng.random(out.sum()) * (drawn == y[out]).mean(axis=0)
    assert stats.kstest(place, "uniform").pvalue > 0.01


def test_sums_of_logarithms():
    logs = log_sums(np.exp([1.0, 3.0, 2.0, 0.0]), np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(logs.n, [2, 2])
    np.testing.assert_allclose(logs.mean, [2, 1])
    np.testing.assert_allclose(logs.square, [2, 2])
    # A cell without counts
    np.testing.assert_allclose(log_sums(np.zeros(1), np.zeros(1, dtype=np.int64), 1).mean, [0.0])


@pytest.mark.parametrize("method", ["glm", "forest"])
def test_spreads_between_and_within_groups_are_found(method):
    rng = np.random.default_rng(0)
    x, *_ = groups(rng, n_compounds=20)
    level = 7.0 + 0.5 * x[:, 0] + rng.normal(0.0, 0.2, len(x))
    group = np.repeat(np.arange(len(x)), 20)
    logs = log_sums(np.exp(level[group] + rng.normal(0.0, 0.4, len(group))), group, len(x))
    fitted = fit_library_size(x, logs) if method == "glm" else forest_library_size(x, logs, n_trees=50, seed=0)
    assert fitted.within == pytest.approx(0.4, rel=0.03)
    assert fitted.between == pytest.approx(0.2, rel=0.15 if method == "glm" else 0.4)
    expected = 7.0 + 0.5 * x[:, 0]
    assert np.abs(np.log(fitted.median(x)) - expected).mean() < 0.15
    drawn = np.stack([np.log(fitted.draw(x[:5], rng)) for _ in range(2000)])
    np.testing.assert_allclose(drawn.std(axis=0), fitted.between, rtol=0.1)


def test_a_forest_predicts_numbers_per_exposure():
    rng = np.random.default_rng(0)
    x, mean, _ = groups(rng, n_compounds=10)
    exposure = rng.uniform(0.5, 2.0, len(x))
    fitted = forest_numbers(x, rng.poisson(mean * exposure).astype(float), exposure, n_trees=30, seed=0)
    assert np.corrcoef(fitted.mean(x, exposure), mean * exposure)[0, 1] > 0.9
    np.testing.assert_allclose(fitted.mean(x, 2 * exposure), 2 * fitted.mean(x, exposure))
    assert fitted.draw(x, exposure, rng).dtype == np.int64
