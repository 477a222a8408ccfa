from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.model.base.counts._expected import raised_level, thinned_level


@pytest.mark.parametrize("count", [1, 3, 20, 60, 1000])
@pytest.mark.parametrize("kept", [1e-4, 0.05, 0.5, 0.97, 1.0])
def test_thinned_levels_are_sums_over_the_binomial_distribution(count, kept):
    x, unit = np.arange(count + 1), 2.5
    expected = stats.binom.pmf(x, count, kept) @ np.log1p(unit * x)
    found = thinned_level(np.array([float(count)]), np.array([unit]), np.array([kept]))
    np.testing.assert_allclose(found, [expected], rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("count", [0, 2, 30])
@pytest.mark.parametrize(
    ("mean", "size"), [(0.01, 1.0), (0.5, 0.1), (2.0, 0.5), (5.0, 3.0), (20.0, 2.0), (200.0, 100.0)]
)
def test_raised_levels_are_sums_over_the_negative_binomial_distribution(count, mean, size):
    x, unit = np.arange(100_000), 5.0
    expected = stats.nbinom.pmf(x, size, size / (size + mean)) @ np.log1p(unit * (count + x))
    found = raised_level(np.array([float(count)]), np.array([unit]), np.array([mean]), np.array([size]))
    np.testing.assert_allclose(found, [expected], rtol=5e-3)


def test_nothing_added_or_taken_leaves_the_level():
    count, unit = np.array([1.0, 7.0, 500.0]), np.array([0.1, 5.0, 2.0])
    level = np.log1p(unit * count)
    np.testing.assert_allclose(thinned_level(count, unit, np.ones(3)), level, rtol=1e-6)
    np.testing.assert_allclose(raised_level(count, unit, np.zeros(3), np.ones(3)), level)
    np.testing.assert_array_equal(thinned_level(count, unit, np.zeros(3)), np.zeros(3))
