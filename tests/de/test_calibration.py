from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.de._calibration import _far_log_tail, _log_gamma_tail, calibrate


def statistics(seed, n_permutations, n_genes=2000):
    """Statistics of mixed null distributions: zero with a probability that is the gene's, else chi-squared."""
    rng = np.random.default_rng(seed)
    df = rng.choice([1.0, 2.0, 3.0], size=n_genes)
    zero = rng.uniform(0.0, 0.4, size=n_genes)
    drawn = rng.chisquare(df, size=(n_permutations + 1, n_genes))
    return drawn * (rng.random(drawn.shape) >= zero), df, zero


@pytest.mark.parametrize("n_permutations", [10, 40])
def test_p_is_uniform_whatever_the_null_distribution(n_permutations):
    drawn, df, zero = statistics(0, n_permutations)
    log_pval = calibrate(drawn[0], drawn[1:], order=zero, kind=df.astype(np.intp))
    pval = np.exp(log_pval)
    # Ties at zero: p is uniform below them
    for level in (0.01, 0.05, 0.2, 0.5):
        assert stats.binomtest(int((pval <= level).sum()), len(pval), level).pvalue > 0.005
    assert (log_pval <= 0).all()


def test_few_permutations_do_not_make_the_tail_too_heavy():
    drawn, df, zero = statistics(2, 6, n_genes=40_000)
    # Each gene has a null distribution of its own scale, which six permutations tell roughly
    scale = np.exp(0.5 * np.random.default_rng(0).normal(size=40_000))
    pval = np.exp(calibrate(drawn[0] * scale, drawn[1:] * scale, order=zero, kind=df.astype(np.intp)))
    for level in (0.001, 0.01, 0.05):
        assert 0.4 * level < (pval <= level).mean() < 1.2 * level


def test_order_is_kept_and_p_is_finite_far_out():
    drawn, df, zero = statistics(1, 10)
    observed = drawn[0].copy()
    observed[:3] = [100.0, 1000.0, 100_000.0]
    df[:3], zero[:3] = 1.0, 0.2
    log_pval = calibrate(observed, drawn[1:], order=zero, kind=df.astype(np.intp))
    assert np.isfinite(log_pval).all()
    assert log_pval[2] < log_pval[1] < log_pval[0] < -10


# mpmath, 40 digits: log of the regularised upper incomplete gamma function
@pytest.mark.parametrize(
    ("shape", "x", "expected"),
    [(0.5, 800.0, -803.9152948331938), (1.5, 700.0, -696.6029640728608), (0.3, 2000.0, -2006.416779480559)],
)
def test_the_far_tail_is_that_of_arbitrary_precision(shape, x, expected):
    assert _log_gamma_tail(np.array([x]), np.array([shape]), np.array([1.0]))[0] == pytest.approx(expected, rel=1e-12)
    near = np.array([shape + 30.0])
    series = stats.gamma.logsf(near, shape)
    np.testing.assert_allclose(_far_log_tail(near, np.array([shape])), series, rtol=1e-9)
