from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi import de


def test_unknown_sets_are_refused():
    with pytest.raises(ValueError, match="`sets` must be one of 'imputed', 'generated', but is 'drawn'"):
        de.pool_draws([[1.0], [2.0]], [[1.0], [1.0]], 5, sets="drawn")


def test_a_case_by_hand():
    # W = 2, B = 1, m = 3: T = 2 + 4/3; nu = 2 * (1 + 2 / (4/3))**2 = 12.5
    pooled = de.pool_draws([[1.0], [2.0], [3.0]], np.sqrt([[1.0], [2.0], [3.0]]), np.inf)
    assert pooled.estimate == pytest.approx(2.0)
    assert pooled.std_error**2 == pytest.approx(10 / 3)
    assert pooled.between_fraction == pytest.approx(0.4)
    assert pooled.df == pytest.approx(12.5)
    assert np.exp(pooled.log_pval) == pytest.approx(2 * stats.t.sf(2 / np.sqrt(10 / 3), 12.5))


def test_degrees_of_freedom_of_few_samples():
    # Barnard and Rubin: nu_obs = 11/13 * 10 * 0.6, and the harmonic sum with 12.5
    pooled = de.pool_draws([[1.0], [2.0], [3.0]], np.sqrt([[1.0], [2.0], [3.0]]), 10)
    observed = 11 / 13 * 10 * 0.6
    assert pooled.df == pytest.approx(1 / (1 / 12.5 + 1 / observed))
    # Those of the sets may differ: their mean is taken
    varied = de.pool_draws([[1.0], [2.0], [3.0]], np.sqrt([[1.0], [2.0], [3.0]]), [[9.0], [10.0], [11.0]])
    assert varied.df == pytest.approx(pooled.df)


def test_sets_that_agree_are_one_set():
    pooled = de.pool_draws([[1.5, -2.0]] * 4, [[0.5, 1.0]] * 4, 8)
    np.testing.assert_allclose(pooled.std_error, [0.5, 1.0])
    np.testing.assert_allclose(pooled.df, 9 / 11 * 8)
    np.testing.assert_allclose(pooled.t, [3.0, -2.0])
    assert not pooled.between_fraction.any()


def test_p_values_are_uniform_where_a_part_is_measured():
    rng = np.random.default_rng(0)
    n, m, spread = 20_000, 5, 0.7
    # The measured part has variance W, and what is filled in differs from it, and from set to set, by B
    measured = rng.normal(size=n) * np.sqrt(1 + spread)
    estimates = measured + np.sqrt(spread) * rng.normal(size=(m, n))
    p = np.exp(de.pool_draws(estimates, np.ones((m, n)), np.inf).log_pval)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(p < level) == pytest.approx(level, abs=0.012)


def test_generated_sets_by_hand():
    # W = 2, B = 1, m = 3: T = 2 + 1/3; nu = 2 * (1 + 2 / (1/3))**2 = 98
    pooled = de.pool_draws([[1.0], [2.0], [3.0]], np.sqrt([[1.0], [2.0], [3.0]]), np.inf, sets="generated")
    assert pooled.std_error**2 == pytest.approx(7 / 3)
    assert pooled.between_fraction == pytest.approx(1 / 7)
    assert pooled.df == pytest.approx(98)


def test_p_values_are_uniform_where_a_fitted_model_generates_all():
    rng = np.random.default_rng(0)
    n, m = 20_000, 5
    # The model has learned the noise of the measurement, and each set has noise of its own
    estimates = rng.normal(size=n) + rng.normal(size=(m, n))
    for level in (0.01, 0.05, 0.2, 0.5):
        p, imputed = (
            np.exp(de.pool_draws(estimates, np.ones((m, n)), np.inf, sets=sets).log_pval)
            for sets in ("generated", "imputed")
        )
        assert np.mean(p < level) == pytest.approx(level, abs=0.012)
        assert np.mean(imputed < level) < 0.75 * level


def test_what_was_not_estimated_in_a_set_is_not_pooled():
    pooled = de.pool_draws([[1.0, np.nan], [2.0, 1.0]], [[1.0, np.nan], [1.0, 1.0]], 5)
    assert np.isnan(pooled.t[1]) and np.isfinite(pooled.t[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]], [[1.0]], 5), "at least two sets"),
        (([[1.0], [2.0]], [[1.0]], 5), "of one shape"),
        (([[1.0], [2.0]], [[1.0], [0.0]], 5), "above 0"),
        (([[1.0], [2.0]], [[1.0], [1.0]], 0), "above 0"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        de.pool_draws(*arguments)
