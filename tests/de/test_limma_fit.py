from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scpi import de
from scpi.de._comparisons import Comparisons
from scpi.de._design import DesignError
from scpi.de._limma_fit import Options, fit_model
from scpi.de._sample_design import Samples, build_model

PLAIN = Options(filter_genes=False, span=0.5, trend=False, robust=False, standard_error="exact")


OBS = pd.DataFrame({"group": pd.Categorical(["a", "b"] * 4), "donor": list("11223344"), "alone": list("12345678")})


@pytest.fixture
def model():
    return build_model(Samples(OBS, "group", None), Comparisons(["b"], ["a", "b"], ["a"]), covariates=[], formula=None)


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(5, 0.1, size=(8, 60))
    counts[1::2, :5] *= 4
    counts[:, 10] = 0
    counts[:, 11] = 0
    counts[0, 11] = 1
    return counts


def test_it_is_the_steps_of_limma_one_after_the_other(model, counts):
    design, splits = model
    found = fit_model(counts, design, splits, OBS, PLAIN)
    kept = np.flatnonzero(counts.sum(axis=0) > 0)
    np.testing.assert_array_equal(found.genes, kept)
    matrix = np.array([[1.0, 0.0], [0.0, 1.0]])[np.tile([0, 1], 4)]
    trend = de.voom(counts[:, kept], matrix, norm_factors=de.norm_factors(counts[:, kept]), span=0.5)
    fit = de.lm_fit(trend.expression, matrix, weights=trend.weights)
    expected = de.ebayes(de.contrasts(fit, np.array([[-1.0], [1.0]])))
    (test,) = found.tests
    np.testing.assert_allclose(test.t, expected.t, rtol=1e-8)
    np.testing.assert_allclose(test.pval, expected.pval, rtol=1e-8)
    assert set(np.argsort(test.pval[0])[:5]) == set(range(5))


def test_genes_are_filtered_on_request(model, counts):
    design, splits = model
    found = fit_model(counts, design, splits, OBS, replace(PLAIN, filter_genes=True))
    assert 11 not in found.genes and len(found.genes) == 58


def test_what_cannot_be_fitted_is_explained(model, counts):
    design, splits = model
    none = np.zeros_like(counts)
    none[:, 3] = 1
    with pytest.raises(DesignError, match="1 of 60 genes have any counts"):
        fit_model(none, design, splits, OBS, PLAIN)
    counts[2] = 0
    with pytest.raises(DesignError, match=r"1 sample\(s\) have no counts in the"):
        fit_model(counts, design, splits, OBS, PLAIN)


def test_blocks_and_weights_of_samples(model, counts):
    design, splits = model
    found = fit_model(counts, design, splits, OBS, replace(PLAIN, block="donor", sample_weights=True))
    assert -1 < found.correlation < 1
    assert found.sample_weights["sample"].tolist() == list("01234567")
    assert np.log(found.sample_weights["weight"]).sum() == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(DesignError, match=r"'alone' has 8 block\(s\) of at most 1 sample"):
        fit_model(counts, design, splits, OBS, replace(PLAIN, block="alone"))
    with pytest.raises(ValueError, match="'sex', which differs between the cells of a sample: add it to `sample_key`"):
        fit_model(counts, design, splits, OBS, replace(PLAIN, block="sex"))
