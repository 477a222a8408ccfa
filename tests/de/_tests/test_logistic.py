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


def likelihood_ratio(y, x, covariates=None):
    """Signed root of the statistic, by statsmodels."""
    null = np.column_stack([np.ones(len(y)), *([] if covariates is None else [covariates])])
    small = sm.Logit(y, null).fit(disp=0, tol=1e-12)
    full = sm.Logit(y, np.column_stack([null, x])).fit(disp=0, tol=1e-12)
    return np.sign(full.params[-1]) * np.sqrt(2.0 * (full.llf - small.llf))


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
        expected = [likelihood_ratio(y, values[rows, gene].astype(float)) for gene in range(9)]
        np.testing.assert_allclose(result.score[group], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(result.pval[group], stats.chi2.sf(np.square(expected), 1), rtol=1e-5)
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
            likelihood_ratio((codes[rows] == 1).astype(float), values[rows, gene].astype(float), adjusted[rows])
            for gene in range(9)
        ]
        np.testing.assert_allclose(result.score[1], expected, rtol=1e-6, atol=1e-6)
    as_array = logistic(values, codes, reference=0, covariates=dense)
    np.testing.assert_allclose(as_array.score, result.score, rtol=1e-6, atol=1e-6)


def test_a_confounder_explains_a_difference_away():
    rng = np.random.default_rng(2)
    codes = rng.integers(2, size=1000)
    batch = (rng.random(1000) < 0.2 + 0.6 * codes).astype(float)
    values = rng.normal(size=(1000, 1000)) + batch[:, None]
    assert logistic(values, codes, reference=0).pval[1].max() < 0.05
    adjusted = logistic(values, codes, reference=0, covariates=batch[:, None])
    assert stats.kstest(adjusted.pval[1], "uniform").pvalue > 0.01


def test_the_maximum_is_that_of_scikit_learn(screen):
    values, codes = screen
    rows = codes >= 0
    y = codes[rows] == 2
    score = logistic(values[rows], codes[rows], reference=None).score[2]
    for gene in range(9):
        x = values[rows, gene : gene + 1].astype(float)
        model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(x, y)
        p = model.predict_proba(x)[:, 1]
        gain = np.log(np.where(y, p, 1.0 - p)).sum() - len(y) * (
            y.mean() * np.log(y.mean()) + (1.0 - y.mean()) * np.log(1.0 - y.mean())
        )
        assert score[gene] == pytest.approx(np.sign(model.coef_[0, 0]) * np.sqrt(2.0 * gain), rel=1e-4, abs=1e-4)


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
    np.testing.assert_allclose(logistic(sparse.csr_matrix(values), codes, reference=None, n_jobs=2).score, expected)


def test_many_genes_take_seconds():
    values = sparse.random(5000, 1000, 0.1, format="csr", random_state=0)
    start = time.perf_counter()
    logistic(values, np.arange(5000) % 2, reference=0)
    # A fit for each gene by itself takes ten times as long
    assert time.perf_counter() - start < 5.0


def test_bad_input_is_named():
    values = np.zeros((4, 1))
    with pytest.raises(ValueError, match="group 1 has 1"):
        logistic(values, [0, 0, 0, 1], reference=0)
    with pytest.raises(ValueError, match="finite"):
        logistic(np.full((4, 1), np.nan), [0, 0, 1, 1], reference=0)
    with pytest.raises(ValueError, match="each of the 4 rows, but has 2"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=[[1.0], [2.0]])
    with pytest.raises(ValueError, match="in donor"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=pd.DataFrame({"donor": ["a", None, "b", "b"]}))
    with pytest.raises(ValueError, match="finite, but age"):
        logistic(values, [0, 0, 1, 1], reference=0, covariates=pd.DataFrame({"age": [1.0, np.inf, 2.0, 3.0]}))
