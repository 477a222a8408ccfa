import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse

from scpi.de import _covariate_effects
from scpi.de._covariate_effects import design_columns, fit_covariates


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 400)
    frame = pd.DataFrame({"batch": rng.choice(["x", "y", "z"], 400), "age": rng.normal(50, 9, 400)})
    eta = 1.5 + 0.4 * codes + 0.3 * (frame["batch"] == "y") + 0.02 * (frame["age"] - 50)
    counts = rng.poisson(np.exp(eta.to_numpy())[:, None] * [1.0, 2.0, 0.3])
    return counts, codes, frame


def fit(counts, codes, columns):
    total = np.array([counts[codes == k].sum(axis=0) for k in range(3)], dtype=float)
    return total, fit_covariates(counts, codes, columns, total, np.ones(counts.shape[1]))


def test_rates_and_their_variances_are_those_of_poisson_regression(data, monkeypatch):
    counts, codes, frame = data
    monkeypatch.setattr(_covariate_effects, "_RIDGE", 1e-9)
    columns = design_columns(frame, codes)
    total, found = fit(counts, codes, columns)
    design = np.column_stack([np.eye(3)[codes], columns])
    variance = found.variance(found.mean[[0]])
    for gene in range(3):
        wanted = sm.GLM(counts[:, gene], design, family=sm.families.Poisson()).fit()
        np.testing.assert_allclose(np.log(total / found.exposure)[:, gene], wanted.params[:3], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.covariance[gene], wanted.cov_params()[3:, 3:], rtol=1e-3)
        for group in (1, 2):
            contrast = np.zeros(design.shape[1])
            contrast[[group, 0]] = 1, -1
            own = (1 / total[[group, 0], gene]).sum()
            expected = contrast @ wanted.cov_params() @ contrast
            assert own + variance[group, gene] == pytest.approx(expected, rel=1e-3)
        weight = np.exp(columns @ wanted.params[3:])
        np.testing.assert_allclose(found.squares[:, gene], np.bincount(codes, weights=weight**2), rtol=1e-3)


def test_blocks_of_genes_and_kinds_of_matrices_make_no_difference(data, monkeypatch):
    counts, codes, frame = data
    columns = design_columns(frame, codes)
    _, whole = fit(counts, codes, columns)
    monkeypatch.setattr(_covariate_effects, "_BLOCK", 1)
    _, single = fit(counts, codes, columns)
    total = np.array([counts[codes == k].sum(axis=0) for k in range(3)], dtype=float)
    sparsely = fit_covariates(sparse.csr_matrix(counts), codes, columns, total, np.ones(3))
    for other in (single, sparsely):
        np.testing.assert_allclose(other.exposure, whole.exposure, rtol=1e-6)
        np.testing.assert_allclose(other.covariance, whole.covariance, rtol=1e-6)


def test_a_gene_of_one_batch_stays_finite():
    codes = np.repeat([0, 1, 2], 20)
    batch = np.arange(60) % 2
    counts = np.where(batch, 5, 0)[:, None]
    _, found = fit(counts, codes, batch[:, None].astype(float))
    assert np.isfinite(found.exposure).all() and (found.exposure > 0).all()
    assert np.isfinite(found.covariance).all()


def test_columns_are_levels_but_the_first_and_scaled_numbers():
    frame = pd.DataFrame({"batch": pd.Categorical(list("abcabc")), "age": [1.0, 2, 3, 4, 5, 6], "same": "x"})
    columns = design_columns(frame, np.array([0, 0, 0, 1, 1, 1]))
    assert columns.shape == (6, 3)
    np.testing.assert_array_equal(columns[:, :2], np.tile([[0, 0], [1, 0], [0, 1]], (2, 1)))
    assert columns[:, 2].mean() == pytest.approx(0) and columns[:, 2].std() == pytest.approx(1)


def test_what_goes_with_the_groups_is_refused():
    frame = pd.DataFrame({"lane": list("aabb"), "plate": list("abab")})
    with pytest.raises(ValueError, match="'lane' are the same in all cells of each group"):
        design_columns(frame, np.array([0, 0, 1, 1]))
