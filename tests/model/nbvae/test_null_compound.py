"""Tests of generated cells under a compound that does nothing: cells of the vehicle with permuted labels."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

import scpi

DONORS, GENES = 5, 200


def vehicle(rng: np.random.Generator, n_cells: int) -> ad.AnnData:
    """Cells of donors that differ, half of which are called those of a compound."""
    base, donors = rng.gamma(1.0, 2.0, GENES) + 0.3, rng.lognormal(0.0, 0.25, (DONORS, GENES))
    donor = np.repeat(np.arange(DONORS), 2 * n_cells)
    mean = base * donors[donor] * rng.lognormal(0.0, 0.3, (len(donor), 1))
    counts = rng.poisson(rng.gamma(4.0, mean / 4.0))
    compound = np.concatenate([rng.permutation(np.repeat(["vehicle", "null"], n_cells)) for _ in range(DONORS)])
    obs = pd.DataFrame({"donor": [f"d{i}" for i in donor], "compound": compound}, index=map(str, range(len(donor))))
    return ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs)


def p_values(samples: ad.AnnData) -> np.ndarray:
    scpi.de.limma(samples, "compound", reference="vehicle", covariates="donor")
    p = samples.uns["limma"]["pvals"]["null"]
    return p[np.isfinite(p)]


@pytest.fixture(scope="module")
def model(quiet):
    adata = vehicle(np.random.default_rng(0), 400)
    scpi.model.NBVAE.setup_anndata(adata, categorical_covariate_keys=["donor", "compound"])
    model = scpi.model.NBVAE(adata, n_latent=4, kl_warmup=10)
    model.train(max_epochs=40, **quiet)
    return model


@pytest.fixture(scope="module")
def plan():
    # Fewer cells than were measured: what the model has learned from their noise is small
    rows = [(f"d{i}", name, 20) for i in range(DONORS) for name in ("vehicle", "null")]
    return pd.DataFrame(rows, columns=["donor", "compound", "n_cells"])


@pytest.mark.slow
def test_p_values_of_drawn_cells_are_uniform(model, plan):
    for seed in range(20):
        samples = scpi.de.pseudobulk(model.generate(plan, rng=seed), sample_key="donor", groupby="compound")
        assert stats.kstest(p_values(samples), "uniform").pvalue > 0.01, seed


@pytest.mark.slow
def test_p_values_of_expectations_are_too_small(model, plan):
    cells = model.generate(plan, output="mean")
    sums = cells.obs.assign(row=np.arange(cells.n_obs)).groupby(["donor", "compound"], observed=True)["row"]
    rows = {"_".join(key): np.rint(cells.X[places.to_numpy()].sum(0)) for key, places in sums}
    obs = pd.DataFrame([name.split("_") for name in rows], columns=["donor", "compound"], index=list(rows))
    p = p_values(ad.AnnData(np.stack(list(rows.values())), obs=obs, var=cells.var))
    assert stats.kstest(p, "uniform").pvalue < 1e-6
    assert np.mean(p < 0.05) > 0.15


@pytest.mark.slow
def test_pooled_tests_do_not_find_too_much(model, plan):
    # As many cells as were measured, whose noise the model has learned in part
    many = plan.assign(n_cells=400)
    draws = [model.generate(many, rng=seed) for seed in range(5)]
    single = [p_values(scpi.de.pseudobulk(draw, sample_key="donor", groupby="compound")) for draw in draws]
    tested = model.generate_de(many, "compound", reference="vehicle", sample_key="donor", covariates="donor")
    pooled = tested.uns["limma"]["pvals"]["null"]
    assert np.mean(pooled < 0.05) < 0.06 < np.mean([np.mean(p < 0.05) for p in single])
