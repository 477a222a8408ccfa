from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from scpi.de._beta import log_betainc_tail, log_gammaincc_tail


@pytest.mark.parametrize("b", [0.5, 3.0, 40.0])
def test_it_is_the_incomplete_beta_function_where_that_is_a_number(b):
    a = np.array([0.5, 2.0, 10.0, 100.0])
    # A quarter of the mean, and far less
    for part in (0.25, 0.02):
        x = part * a / (a + b)
        found = log_betainc_tail(a, b, 1.0 / x - 1.0)
        np.testing.assert_allclose(found, np.log(special.betainc(a, b, x)), rtol=1e-10)


def test_with_one_of_the_parameters_at_one_it_is_a_power():
    """I_x(a, 1) = x^a and I_x(1, b) = 1 - (1 - x)^b, which is b x for small x."""
    a, odds = np.array([3.0, 500.0]), np.array([1e80, 9.0])
    np.testing.assert_allclose(log_betainc_tail(a, 1.0, odds), -a * np.log1p(odds), rtol=1e-13)
    assert log_betainc_tail(np.ones(1), 4.0, np.array([1e120]))[0] == pytest.approx(np.log(4.0) - 120 * np.log(10.0))


def test_it_is_finite_where_the_function_is_not():
    found = log_betainc_tail(np.array([2000.0]), 2000.0, np.array([20.0]))
    assert special.betainc(2000.0, 2000.0, 1 / 21) == 0
    assert found[0] < -3000


def test_it_is_the_incomplete_gamma_function_where_that_is_a_number():
    a = np.array([0.5, 1.0, 7.0, 50.0])
    for factor in (1.5, 4.0):
        x = factor * (a + 2.0)
        np.testing.assert_allclose(log_gammaincc_tail(a, x), np.log(special.gammaincc(a, x)), rtol=1e-10)


def test_a_sum_of_exponentials_far_in_the_tail():
    """Q(1, x) = exp(-x) and Q(2, x) = (1 + x) exp(-x)."""
    x = np.array([30.0, 5000.0])
    np.testing.assert_allclose(log_gammaincc_tail(np.ones(2), x), -x, rtol=1e-13)
    np.testing.assert_allclose(log_gammaincc_tail(np.full(2, 2.0), x), np.log1p(x) - x, rtol=1e-13)
    # Against the normal tail of the same function
    assert log_gammaincc_tail(np.array([0.5]), np.array([800.0]))[0] == pytest.approx(
        np.log(2.0) + stats.norm.logsf(40.0), rel=1e-12
    )
