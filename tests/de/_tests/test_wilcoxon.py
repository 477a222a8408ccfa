from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.de import wilcoxon

pytestmark = pytest.mark.smoke("illico", "loguru", "numba")


@pytest.fixture
def screen():
    rng = np.random.default_rng(0)
    codes = rng.choice([-1, 0, 1, 2, 3], size=500, p=[0.1, 0.5, 0.2, 0.15, 0.05])
    values = rng.poisson(1.2, size=(500, 6)).astype(np.float32)
    values[:, 3:] += rng.random((500, 3))  # half of the columns with ties, half without
    values[codes == 2] += 1.0
    return values, codes


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_wilcoxon_is_that_of_scipy(screen, convert, continuity):
    values, codes = screen
    result = wilcoxon(convert(values), codes, reference=0, continuity=continuity)
    values = values.astype(np.float64)  # SciPy computes in the precision of its input
    for group in (1, 2, 3):
        expected = stats.mannwhitneyu(
            values[codes == group], values[codes == 0], method="asymptotic", use_continuity=continuity
        )
        np.testing.assert_allclose(result.pval[group], expected.pvalue, rtol=1e-10)
        n, m = (codes == group).sum(), (codes == 0).sum()
        np.testing.assert_allclose(result.effect[group], 2 * expected.statistic / (n * m) - 1, rtol=1e-12)
        np.testing.assert_array_equal(np.sign(result.score[group]), np.sign(expected.statistic - n * m / 2))
    np.testing.assert_array_equal(result.score[0], 0)
    np.testing.assert_array_equal(result.pval[0], 1)


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_each_group_is_compared_with_the_rest(screen, convert, continuity):
    values, codes = screen
    result = wilcoxon(convert(values), codes, reference=None, continuity=continuity)
    values = values.astype(np.float64)
    for group in range(4):
        expected = stats.mannwhitneyu(
            values[codes == group],
            values[(codes >= 0) & (codes != group)],
            method="asymptotic",
            use_continuity=continuity,
        )
        np.testing.assert_allclose(result.pval[group], expected.pvalue, rtol=1e-10)


def test_stored_zeros_tie_with_the_others():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], 50)
    values = rng.poisson(1.0, (100, 4)).astype(np.float32) - 1.0  # with negative values too
    stored = sparse.csr_matrix(values)
    stored.data[::3] = 0.0
    dense = stored.toarray()
    given = stored.copy()
    np.testing.assert_array_equal(wilcoxon(stored, codes, reference=0).score, wilcoxon(dense, codes, reference=0).score)
    assert stored.nnz == given.nnz  # what was given is not changed


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float16])
def test_any_numbers_are_ranked(dtype):
    rng = np.random.default_rng(0)
    values, codes = rng.poisson(2.0, (60, 3)).astype(dtype), np.repeat([0, 1], 30)
    expected = stats.mannwhitneyu(values[30:].astype(float), values[:30].astype(float), method="asymptotic").pvalue
    for convert in (np.asarray,) if dtype is np.float16 else (np.asarray, sparse.csr_matrix):
        np.testing.assert_allclose(wilcoxon(convert(values), codes, reference=0).pval[1], expected, rtol=1e-10)


def test_illico_stays_silent(screen, capfd):
    values, codes = screen
    wilcoxon(values, codes, reference=0)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    codes = np.repeat([0, 1, 2], [200, 50, 90])
    result = wilcoxon(rng.exponential(size=(340, 3000)), codes, reference=0, continuity=False)
    for group in (1, 2):
        assert stats.kstest(result.pval[group], "uniform").pvalue > 0.01


def test_p_is_finite_on_the_log_scale():
    codes = np.repeat([0, 1], 3000)
    result = wilcoxon(np.arange(6000.0)[:, None], codes, reference=0)
    assert result.pval[1, 0] == 0
    assert result.log_pval[1, 0] == pytest.approx(np.log(2) + stats.norm.logsf(result.score[1, 0]))


def test_equal_values_are_no_evidence():
    result = wilcoxon(np.full((7, 1), 0.3), [0, 0, 0, 0, 1, 1, 2], reference=0)
    np.testing.assert_array_equal(result.score, 0)
    np.testing.assert_array_equal(result.pval, 1)


def test_one_row_is_a_group():
    result = wilcoxon([[1.0], [2.0], [3.0], [4.0]], [0, 0, 0, 1], reference=0)
    assert result.pval[1, 0] == pytest.approx(stats.mannwhitneyu([4.0], [1.0, 2.0, 3.0], method="asymptotic").pvalue)


@pytest.mark.parametrize("reference", [0, None])
@pytest.mark.parametrize("size", [1, 2, 14])
def test_no_p_is_below_that_of_the_most_extreme_permutation(size, reference):
    # Expressed in the group alone: the ties of the zeros make the normal approximation tiny
    values = np.r_[np.zeros(2638 - size), 1.0 + np.arange(size)][:, None]
    codes = np.r_[np.zeros(2638 - size, int), np.ones(size, int)]
    result = wilcoxon(sparse.csr_matrix(values), codes, reference=reference)
    least = -np.log(float(math.comb(2638, size)))
    assert np.log(2) + stats.norm.logsf(result.score[1, 0]) < least - 100
    assert result.log_pval[1, 0] == pytest.approx(least, rel=1e-10)


def test_the_least_p_depends_on_the_sizes_of_group_and_reference():
    codes = np.repeat([0, 1, 2, -1], [300, 3, 200, 50])
    values = (codes == 1).astype(float)[:, None]
    assert wilcoxon(values, codes, reference=0).pval[1, 0] == pytest.approx(1 / math.comb(303, 3), rel=1e-10)
    assert wilcoxon(values, codes, reference=2).pval[1, 0] == pytest.approx(1 / math.comb(203, 3), rel=1e-10)
    assert wilcoxon(values, codes, reference=None).pval[1, 0] == pytest.approx(1 / math.comb(503, 3), rel=1e-10)


def test_the_least_p_of_many_rows_does_not_overflow():
    codes = np.repeat([0, 1], [200_000, 1_000])
    result = wilcoxon(codes[:, None].astype(np.float32), codes, reference=0)
    assert result.pval[1, 0] == 0
    assert result.log_pval[1, 0] == pytest.approx(-math.log(math.comb(201_000, 1_000)), rel=1e-9)


def test_a_group_without_rows_is_named():
    with pytest.raises(ValueError, match="group 1 has 0"):
        wilcoxon([[1.0], [2.0]], [0, 2], reference=0)
