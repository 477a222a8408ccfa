from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import sparse, stats
from sklearn.linear_model import LogisticRegression

from scpi.de import logistic


@pytest.fixture
def screen():
    rng = np.random.default_rng(0)
    codes = rng.choice([-1, 0, 1, 2], size=500, p=[0.1, 0.5, 0.2, 0.2])
    values = np.log1p(rng.poisson(rng.gamma(1.0, size=9), size=(500, 9)))
    values[codes == 2] += 0.5 * (values[codes == 2] > 0)
    return values.astype(np.float32), codes


def maximum(y, design):
    """Largest log-likelihood by the formulas of statsmodels, and the coefficients of which it is that."""
    model = sm.Logit(y, design)
    at = np.zeros(design.shape[1])
    for _ in range(30):
        at -= np.linalg.solve(model.hessian(at), model.score(at))
    # It is concave: where the gradient is zero is its maximum, wherever an optimiser stops
    assert np.abs(model.score(at)).max() < 1e-8
    return model.loglike(at), at


def gain(y, x, covariates=None):
    """What a gene adds to the log-likelihood, with the sign of its coefficient."""
    null = np.column_stack([np.ones(len(y)), *([] if covariates is None else [covariates])])
    full, at = maximum(y, np.column_stack([null, x]))
    return np.sign(at[-1]) * (full - maximum(y, null)[0])


def signed_gain(score):
    """The same, from signed roots of the likelihood-ratio statistic."""
    return np.sign(score) * np.square(score) / 2.0


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("reference", [0, 1, None])
def test_logistic_is_that_of_statsmodels(screen, convert, reference):
    values, codes = screen
    result = logistic(convert(values), codes, reference=reference)
    for group in range(3):
        if group == reference:
            np.testing.assert_array_equal(result.score[group], 0)
            np.testing.assert_array_equal(result.pval[group], 1)
            continue
        others = codes == reference if reference is not None else (codes >= 0) & (codes != group)
        rows = (codes == group) | others
        y = (codes[rows] == group).astype(float)
        expected = [gain(y, values[rows, gene].astype(float)) for gene in range(9)]
        np.testing.assert_allclose(signed_gain(result.score[group]), expected, rtol=1e-9, atol=1e-8)
        np.testing.assert_allclose(result.pval[group], stats.chi2.sf(np.square(result.score[group]), 1), rtol=1e-9)
        exact = values.astype(np.float64)
        difference = exact[codes == group].mean(axis=0) - exact[others].mean(axis=0)
        np.testing.assert_allclose(result.effect[group], difference, rtol=1e-5)


def test_covariates_are_adjusted_for(screen):
    values, codes = screen
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "batch": np.where(rng.random(500) < 0.3 + 0.3 * (codes == 1), "a", "b"),
            "age": 50.0 + 20.0 * rng.random(500),
        }
    )
    rows = (codes == 0) | (codes == 1)
    dense = np.column_stack([frame["batch"] == "b", frame["age"] / 10.0]).astype(float)
    for columns, adjusted in ((["batch"], dense[:, :1]), (["batch", "age"], dense)):
        result = logistic(sparse.csr_matrix(values), codes, reference=0, covariates=frame[columns])
        expected = [
            gain((codes[rows] == 1).astype(float), values[rows, gene].astype(float), adjusted[rows])
            for gene in range(9)
        ]
        np.testing.assert_allclose(signed_gain(result.score[1]), expected, rtol=1e-9, atol=1e-8)
    as_array = logistic(values, codes, reference=0, covariates=dense)
    np.testing.assert_allclose(signed_gain(as_array.score), signed_gain(result.score), rtol=1e-9, atol=1e-8)


def test_a_confounder_explains_a_difference_away():
    rng = np.random.default_rng(2)
    codes = rng.integers(2, size=1000)
    batch = (rng.random(1000) < 0.2 + 0.6 * codes).astype(float)
    values = rng.normal(size=(1000, 1000)) + batch[:, None]
    assert logistic(values, codes, reference=0).pval[1].max() < 0.05
    adjusted = logistic(values, codes, reference=0, covariates=batch[:, None])
    assert stats.kstest(adjusted.pval[1], "uniform").pvalue > 0.01


def test_scikit_learn_finds_no_more(screen):
    values, codes = screen
    rows = codes >= 0
    y = codes[rows] == 2
    score = logistic(values[rows], codes[rows], reference=None).score[2]
    null = len(y) * (y.mean() * np.log(y.mean()) + (1.0 - y.mean()) * np.log(1.0 - y.mean()))
    for gene in range(9):
        x = values[rows, gene : gene + 1].astype(float)
        p = LogisticRegression(C=np.inf, max_iter=1000).fit(x, y).predict_proba(x)[:, 1]
        # It may stop short of the maximum
        assert score[gene] ** 2 / 2.0 >= np.log(np.where(y, p, 1.0 - p)).sum() - null - 1e-8


def test_separation_gives_the_limit_of_the_likelihood():
    x = np.array([0.0, 0.0, 1.0, 0.0, 3.0, 2.0, 4.0, 5.0])
    codes = np.repeat([0, 1], 4)
    separated = np.array([0.0, 0.5, 1.0, 0.2, 3.0, 2.0, 4.0, 5.0])
    result = logistic(np.column_stack([separated, -separated, 100 * separated, x]), codes, reference=0)
    # A perfect prediction has log-likelihood 0
    np.testing.assert_allclose(result.score[1, :3], np.sqrt(16.0 * np.log(2.0)) * np.array([1, -1, 1]), rtol=1e-6)
    # Only cells of the group have the gene: those without it stay as uncertain as they are
    rows = np.array([[0.0]] * 6 + [[1.0]] * 2)
    quasi = logistic(rows, np.array([0] * 4 + [1] * 4), reference=0).score[1, 0]
    zeros = 4 * np.log(4 / 6) + 2 * np.log(2 / 6)
    assert quasi == pytest.approx(np.sqrt(2.0 * (zeros - 8.0 * np.log(0.5))), rel=1e-6)


def test_p_is_uniform_under_the_null():
    rng = np.random.default_rng(1)
    codes = rng.permutation(np.repeat([0, 1, 2], [300, 100, 200]))
    values = np.log1p(rng.poisson(3.0 * rng.gamma(2.0, 0.5, size=(600, 3000))))
    result = logistic(sparse.csr_matrix(values), codes, reference=None)
    for group in range(3):
        assert stats.kstest(result.pval[group], "uniform").pvalue > 0.01


def test_p_is_finite_on_the_log_scale():
    codes = np.repeat([0, 1], 3000)
    result = logistic(np.random.default_rng(0).normal(size=(6000, 1)) + 8.0 * codes[:, None], codes, reference=0)
    assert result.pval[1, 0] == 0
    # 2 * 6000 * log(2), all but
    assert -6000 * np.log(2.0) - 20 < result.log_pval[1, 0] < -4000


def test_a_constant_gene_says_nothing():
    values = np.column_stack([np.zeros(10), np.full(10, 3.0), np.arange(10.0)])
    result = logistic(values, np.repeat([0, 1], 5), reference=0)
    np.testing.assert_allclose(result.score[1, :2], 0, atol=1e-5)
    assert result.score[1, 2] > 3


def test_threads_and_blocks_change_nothing(screen, monkeypatch):
    values, codes = screen
    expected = logistic(values, codes, reference=None).score
    monkeypatch.setattr("scpi.de._tests._logistic._BLOCK", 1000)
    found = logistic(sparse.csr_matrix(values), codes, reference=None, n_jobs=2).score
    np.testing.assert_allclose(signed_gain(found), signed_gain(expected), rtol=1e-9, atol=1e-8)


def test_genes_are_fitted_side_by_side(monkeypatch):
    values, codes = sparse.random(500, 1000, 0.1, format="csc", random_state=0), np.arange(500) % 2

    def seconds():
        start = time.process_time()
        logistic(values, codes, reference=0)
        return time.process_time() - start

    side_by_side = min(seconds() for _ in range(3))
    monkeypatch.setattr("scpi.de._tests._logistic._BLOCK", 1)
    # One gene after the other takes thirty times as long
    assert side_by_side < seconds() / 4


def test_bad_input_is_named():
    values = np.zeros((4, 1))
    with pytest.raises(ValueError, match="group 1 has 1"):
        logistic(values, [0, 0, 0, 1], reference=0)
    with pytest.raises(ValueError, match="finite"):
        logistic(np.full((4, 1), np.nan), [0, 0, 1, 1], reference=0)
    with pytest.raises(ValueError, match="each of the 4 rows, but has 2"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=[[1.0], [2.0]])
    with pytest.raises(ValueError, match="missing values: 'donor'"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=pd.DataFrame({"donor": ["a", None, "b", "b"]}))
    with pytest.raises(ValueError, match="finite, but age"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=pd.DataFrame({"age": [1.0, np.inf, 2.0, 3.0]}))
