from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from scpi.de._lowess import lowess

pytestmark = pytest.mark.smoke("statsmodels")


@pytest.mark.parametrize("span", [0.2, 0.5, 1.0])
def test_statsmodels_has_nearly_the_same_curve(span):
    rng = np.random.default_rng(0)
    x = rng.gamma(2.0, size=800)
    y = np.sin(x) + rng.normal(size=800) * np.where(rng.random(800) < 0.1, 3.0, 0.3)
    delta = 0.01 * np.ptp(x)
    expected = sm.nonparametric.lowess(y, x, frac=span, it=3, delta=delta, return_sorted=False)
    np.testing.assert_allclose(lowess(x, y, span=span), expected, rtol=1e-6, atol=1e-7)


def test_a_line_stays_a_line():
    x = np.random.default_rng(0).random(60)
    np.testing.assert_allclose(lowess(x, 3.0 * x - 1.0, span=0.3), 3.0 * x - 1.0, atol=1e-12)


def test_outliers_do_not_count():
    x = np.linspace(0.0, 1.0, 101)
    y = 2.0 * x + np.random.default_rng(0).normal(scale=0.01, size=101)
    y[50] = 40.0
    assert np.abs(lowess(x, y, span=0.4) - 2.0 * x).max() < 0.02
    assert np.abs(lowess(x, y, span=0.4, n_robust=0) - 2.0 * x).max() > 0.5


def test_many_equal_values():
    x = np.r_[np.zeros(50), np.arange(1.0, 11.0)]
    y = np.r_[np.repeat([1.0, 3.0], 25), np.arange(1.0, 11.0)]
    curve = lowess(x, y, span=0.3)
    assert np.ptp(curve[:50]) == 0
    assert curve[0] == pytest.approx(2.0)
    assert np.isfinite(curve).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n):
    x = np.arange(float(n))
    np.testing.assert_allclose(lowess(x, x, span=0.5), x, atol=1e-12)
    np.testing.assert_allclose(lowess(np.ones(n), np.full(n, 2.0), span=0.5), 2.0)
