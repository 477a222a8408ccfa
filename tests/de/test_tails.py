"""Logarithms of probabilities, in the middle and far beyond the smallest float."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.de._fisher import f_log_pdf, f_log_sf, f_quantile
from scpi.de._student import two_sided_log_pval, upper_quantile


@pytest.mark.parametrize(("df1", "df2"), [(1, 3.5), (3, 71.0), (30, 12.0), (200, 900.0), (5, np.inf)])
def test_f_in_the_middle(df1, df2):
    f = np.array([0.0, 0.01, 0.9, 1.5, 4.0])
    expected = stats.chi2.logsf(f * df1, df1) if np.isinf(df2) else stats.f.logsf(f, df1, df2)
    np.testing.assert_allclose(f_log_sf(f, df1, df2), expected, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(
        f_quantile(np.array([0.05, 0.9]), df1, df2), stats.f.ppf([0.05, 0.9], df1, min(df2, 1e12)), rtol=1e-6
    )
    density = stats.chi2.logpdf(f[1:] * df1, df1) + np.log(df1) if np.isinf(df2) else stats.f.logpdf(f[1:], df1, df2)
    np.testing.assert_allclose(f_log_pdf(f[1:], df1, df2), density, rtol=1e-9)


@pytest.mark.parametrize("f", [5.0, 5e2, 5e4, 5e8])
def test_f_with_two_degrees_of_freedom_has_a_closed_form(f):
    for df2 in (4.0, 71.3, 4000.0):
        np.testing.assert_allclose(f_log_sf(f, 2, df2), -df2 / 2 * np.log1p(2 * f / df2), rtol=1e-12)
    np.testing.assert_allclose(f_log_sf(f, 2, np.inf), -f, rtol=1e-12)
    # P(chi-squared with 4 degrees of freedom > x) = exp(-x / 2) (1 + x / 2)
    np.testing.assert_allclose(f_log_sf(f, 4, np.inf), -2 * f + np.log1p(2 * f), rtol=1e-12)
    # and with 6: exp(-x / 2) (1 + x / 2 + x^2 / 8)
    np.testing.assert_allclose(f_log_sf(f, 6, np.inf), -3 * f + np.log1p(3 * f + 4.5 * f**2), rtol=1e-12)


def test_one_contrast_is_t():
    t, df = np.array([0.3, 4.0, 60.0, 3e3]), np.full(4, 94.6)
    np.testing.assert_allclose(f_log_sf(t**2, 1, df), two_sided_log_pval(t, df), rtol=1e-12)


def test_many_contrasts_far_out():
    # The tail is continuous where the continued fraction takes over
    f = np.linspace(40.0, 120.0, 400)
    log_sf = f_log_sf(f, 300, 500.0)
    assert log_sf[0] > -690 > log_sf[-1]
    steps = np.diff(log_sf)
    np.testing.assert_allclose(steps[1:], steps[:-1], rtol=0.02)


@pytest.mark.parametrize("df", [3.0, 71.0, 6000.0])
def test_the_quantile_is_the_inverse(df):
    t = np.array([0.5, 2.0, 20.0, 400.0, 5e4])
    np.testing.assert_allclose(upper_quantile(two_sided_log_pval(t, np.asarray(df)), df), t, rtol=1e-9)
