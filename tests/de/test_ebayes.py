from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from scpi import de
from scpi.de._variance_prior import inverse_trigamma, natural_spline, variance_prior

DESIGN = np.repeat(np.eye(2), 3, axis=0)


def simulate(n_genes=5000, *, d0=6.0, s0=0.5, df_samples=3, seed=0):
    """Log expression of two groups without a difference, variances from the prior."""
    rng = np.random.default_rng(seed)
    variance = s0**2 * d0 / rng.chisquare(d0, n_genes) if np.isfinite(d0) else np.full(n_genes, s0**2)
    return rng.normal(size=(2 * df_samples, n_genes)) * np.sqrt(variance)


def moderate(values, **options):
    design = np.repeat(np.eye(2), len(values) // 2, axis=0)
    return de.ebayes(de.contrasts(de.lm_fit(values, design), [[-1.0], [1.0]]), **options)


@pytest.mark.parametrize("options", [{}, {"trend": True}, {"robust": True}])
def test_p_is_uniform_under_the_null(options):
    result = moderate(simulate(), **options)
    assert stats.kstest(result.pval[0], "uniform").pvalue > 0.01
    assert stats.kstest(result.f_pval, "uniform").pvalue > 0.01
    np.testing.assert_allclose(result.df_prior, 6.0, rtol=0.3)
    np.testing.assert_allclose(np.median(result.variance_prior), 0.25, rtol=0.1)


def test_the_prior_finds_power():
    values = simulate()
    values[3:, :100] += 1.5
    moderated, plain = moderate(values).pval[0], stats.ttest_ind(values[3:], values[:3]).pvalue
    assert (moderated[:100] < 1e-3).sum() > 1.5 * (plain[:100] < 1e-3).sum()


def test_a_robust_prior_leaves_outliers_alone():
    values = simulate(2000, d0=40.0)
    values[:, :20] *= 12.0
    plain, robust = moderate(values), moderate(values, robust=True)
    assert np.median(robust.df_prior[20:]) > 1.5 * plain.df_prior[0]
    assert (robust.df_prior[:20] < 0.5 * plain.df_prior[0]).mean() > 0.7


def test_a_trend_is_followed():
    values = simulate(4000)
    level = np.linspace(0.0, 8.0, 4000)
    result = moderate(values * 2.0 ** (-0.25 * level) + level, trend=True)
    slope = np.polyfit(level, np.log2(result.variance_prior), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)


def test_p_values_do_not_underflow():
    values = simulate(300, df_samples=60)
    values[60:, 0] += 1e4
    result = moderate(values)
    assert result.pval[0, 0] == 0.0 and result.f_pval[0] == 0.0
    assert -5000 < result.log_pval[0, 0] < -800
    np.testing.assert_allclose(result.f_log_pval, result.log_pval[0], rtol=1e-9)
    assert np.isfinite(result.lods).all()


def test_unequal_residual_degrees_of_freedom():
    rng = np.random.default_rng(0)
    df = rng.choice([3.0, 8.0, 20.0], 20_000)
    variance = 0.25 * 5.0 / rng.chisquare(5.0, 20_000) * rng.chisquare(df) / df
    prior = variance_prior(variance, df)
    np.testing.assert_allclose([prior.df[0], prior.variance[0]], [5.0, 0.25], rtol=0.06)
    with pytest.raises(ValueError, match="same residual degrees of freedom"):
        fit = de.lm_fit(simulate(100), DESIGN)
        fit.df_residual[0] = 3.0
        de.ebayes(fit, robust=True)


def test_one_contrast_has_its_square_as_f():
    result = moderate(simulate(200))
    np.testing.assert_allclose(result.f, result.t[0] ** 2)
    assert result.f_rank == 1


def test_f_of_all_groups_is_that_of_an_analysis_of_variance():
    values = simulate(20, d0=np.inf, df_samples=6)
    design = np.repeat(np.eye(3), 4, axis=0)
    fit = de.contrasts(de.lm_fit(values, design), [[-1, -1, 0], [1, 0, -1], [0, 1, 1]])
    result = de.ebayes(fit)
    assert result.f_rank == 2
    expected = stats.f_oneway(values[:4], values[4:8], values[8:]).statistic
    np.testing.assert_allclose(result.f * result.variance / fit.sigma**2, expected)


def of_groups(n, n_genes=20):
    """Comparisons of `n` groups with a reference, adjusted for a covariate."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 4, n + 1)
    labels = np.repeat(np.arange(n + 1), sizes)
    design = np.column_stack([labels[:, None] == np.arange(n + 1), rng.normal(size=len(labels))]).astype(float)
    against = np.vstack([np.full(n, -1.0), np.eye(n), np.zeros(n)])
    return de.contrasts(de.lm_fit(rng.normal(size=(len(labels), n_genes)), design), against)


def test_the_joint_test_of_many_groups_is_that_of_few(monkeypatch):
    fit = of_groups(30)
    expected = de.ebayes(fit)
    monkeypatch.setattr("scpi.de._ebayes.MAX_JOINT", 20)
    result = de.ebayes(fit)
    assert result.f_rank == expected.f_rank == 30
    np.testing.assert_allclose(result.f, expected.f, rtol=1e-9)
    np.testing.assert_allclose(result.f_log_pval, expected.f_log_pval, rtol=1e-9)


def test_contrasts_that_depend_on_each_other_are_too_many_for_a_joint_test(monkeypatch):
    values = simulate(20, df_samples=6)
    fit = de.contrasts(de.lm_fit(values, np.repeat(np.eye(3), 4, axis=0)), [[-1, -1, 0], [1, 0, -1], [0, 1, 1]])
    monkeypatch.setattr("scpi.de._ebayes.MAX_JOINT", 2)
    result = de.ebayes(fit)
    assert np.isnan(result.f).all() and np.isnan(result.f_pval).all() and result.f_rank == 0
    assert np.isfinite(result.t).all()


def test_variances_of_zero():
    values = simulate(50)
    values[:, :30] = 1.0
    with pytest.warns(UserWarning, match="More than half of the residual variances are zero"):
        assert np.isfinite(moderate(values).log_pval).all()


def test_the_share_of_changed_genes():
    values = simulate(300)
    difference = moderate(values, proportion=0.5).lods - moderate(values, proportion=0.01).lods
    assert np.median(difference) > 4.0
    with pytest.raises(ValueError, match="`proportion` must be between 0 and 1"):
        moderate(values, proportion=1.0)


@pytest.mark.parametrize("x", [1e-8, 1e-3, 0.4, 7.0, 1e5, 1e9])
def test_inverse_trigamma(x):
    assert special.polygamma(1, inverse_trigamma(x)) == pytest.approx(x, rel=1e-6)


def test_natural_splines_are_straight_at_the_ends():
    x = np.r_[np.linspace(0.0, 1.0, 50), 0.0, 1.0]
    basis = natural_spline(x, df=4)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    for target in (np.ones(52), x):
        np.testing.assert_allclose(basis @ (basis.T @ target), target, atol=1e-12)
    second = np.diff(basis[:50], n=2, axis=0)
    assert np.abs(second[0]).max() < 0.2 * np.abs(second).max()
    assert natural_spline(np.ones(5), df=4).shape == (5, 1)
    assert natural_spline(np.array([0.0, 1.0, 1.0]), df=4).shape == (3, 2)
