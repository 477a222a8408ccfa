import numpy as np
import pytest
from scipy import sparse

from scpi.de import log_means


def test_closed_form_for_equal_depths():
    counts = np.array([[4, 6], [2, 8], [6, 4], [1, 9], [3, 7]])
    estimate, std_error = log_means(counts, [0, 0, 0, 1, 1])
    totals = np.array([[12.0, 18.0], [4.0, 16.0]])
    n = np.array([[3.0], [2.0]])
    np.testing.assert_allclose(estimate, np.log((totals + 0.5) / n))
    # Squares about the means: 8 and 2 with 2 and 1 degrees of freedom, the same in both genes
    excess = np.array([8 - 2 * 4.0 + 2 - 1 * 2.0, 8 - 2 * 6.0 + 2 - 1 * 8.0])
    phi = np.maximum(excess, 0) / np.array([2 * 16 + 4, 2 * 36 + 64.0])
    np.testing.assert_allclose(std_error**2, (totals + phi * totals**2 / n + 0.5) / (totals + 0.5) ** 2)


def test_depth_is_taken_out():
    counts = np.array([[10, 30], [20, 60], [30, 90]])
    estimate, _ = log_means(counts, [0, 1, 2])
    # Half a count is as much of a normalised one as the cell was scaled
    half = np.array([[1.0], [0.5], [1 / 3]])
    np.testing.assert_allclose(estimate, np.log(np.array([[20.0, 60.0]]) + half), rtol=1e-6)


@pytest.mark.parametrize("overdispersion", [0.0, 0.5])
def test_standard_errors_are_those_of_repetitions(overdispersion):
    rng = np.random.default_rng(0)
    mean, n_repetitions, n_cells = 3.0, 400, 60
    gamma = np.ones((n_cells, n_repetitions))
    if overdispersion:
        gamma = rng.gamma(1 / overdispersion, overdispersion, gamma.shape)
    counts = rng.poisson(mean * gamma)
    # A gene that takes up the rest, so that all cells have the same depth
    counts = np.column_stack([counts, 10**5 - counts.sum(axis=1)])
    estimate, std_error = log_means(counts, np.arange(n_cells) % 2)
    found = estimate[:, :-1]
    assert found.std() == pytest.approx(std_error[:, :-1].mean(), rel=0.06)
    assert found.mean() == pytest.approx(np.log(mean), abs=0.02)


def test_counts_that_few_cells_carry_are_few_events():
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.repeat([0.3, 0.0, 20.0], 200))
    counts[200] = 60
    counts = np.column_stack([counts, 10**5 - counts])
    _, std_error = log_means(counts, np.repeat([0, 1, 2], 200))
    # Sixty cells with a count each, or one with sixty, of a gene that is regular elsewhere
    assert std_error[0, 0] == pytest.approx(1 / np.sqrt(60), rel=0.15)
    assert 0.7 < std_error[1, 0] < 1.0


def test_genes_without_counts_are_finite():
    estimate, std_error = log_means(np.array([[0, 5], [0, 5], [0, 5]]), [0, 0, 1])
    np.testing.assert_allclose(estimate[:, 0], np.log([0.25, 0.5]))
    np.testing.assert_allclose(std_error[:, 0], np.sqrt(2.0))


def test_sparse_is_dense_and_cells_without_a_group_are_left_out():
    counts = np.random.default_rng(0).poisson(1.0, (50, 7))
    codes = np.arange(50) % 3
    dense = log_means(counts, codes)
    for matrix in (sparse.csr_matrix(counts), sparse.csc_matrix(counts)):
        for found, wanted in zip(log_means(matrix, codes), dense, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
    counts[codes == 2, 0] += 1000
    counts[codes == 2, 1] = 0
    left_out = np.where(codes == 2, -1, codes)
    depth = np.median(counts.sum(axis=1))
    totals = counts[codes == 1] / counts[codes == 1].sum(axis=1, keepdims=True) * depth
    estimate, _ = log_means(counts, left_out)
    half = 0.5 * (depth / counts[codes == 1].sum(axis=1)).mean()
    np.testing.assert_allclose(estimate[1], np.log((totals.sum(axis=0) + half) / (codes == 1).sum()), rtol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match="fractional"):
        log_means([[0.5, 1.0], [1.0, 2.0]], [0, 1])
    with pytest.raises(ValueError, match="group 1 has none"):
        log_means([[1, 1], [1, 2]], [0, 2])
