from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi

N_GENES, N_PLANTED = 100, 20


def _planted(n_cells=150, *, donors=(), sd=0.0, rng=0):
    """Counts of two groups; the first genes differ between them, and all of them between donors."""
    rng = np.random.default_rng(rng)
    group = np.repeat(["A", "B"], n_cells)
    log2fc = np.zeros(N_GENES)
    log2fc[:N_PLANTED] = np.resize([1.6, -1.6], N_PLANTED) * (sd == 0.0)
    rate = np.tile(rng.gamma(2.0, 6.0, N_GENES) + 1.0, (2 * n_cells, 1))
    rate *= np.exp2(np.where(group == "B", 0.5, -0.5)[:, None] * log2fc)
    obs = pd.DataFrame({"group": group, "half": rng.choice(["x", "y"], 2 * n_cells)})
    if donors:
        # Donors of a group are not those of the other
        obs["donor"] = [f"{name}{donor}" for name, donor in zip(group, rng.choice(donors, len(group)), strict=True)]
        names = sorted(obs["donor"].unique())
        rate *= np.exp2(sd * rng.normal(size=(len(names), N_GENES)))[pd.Index(names).get_indexer(obs["donor"])]
    rate *= rng.lognormal(0.0, 0.3, (len(group), 1))
    counts = rng.poisson(rng.gamma(10.0, rate / 10.0)).astype(np.float32)
    obs.index = obs.index.astype(str)
    var = pd.DataFrame({"log2fc": log2fc}, index=[f"g{gene}" for gene in range(N_GENES)])
    return ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=var)


@pytest.fixture(scope="package")
def planted():
    """Maker of counts with planted differences between groups, or between donors only."""
    return _planted


@pytest.fixture(scope="package")
def cells(planted):
    return planted()


@pytest.fixture(scope="package")
def train():
    """Set up and train NBVAE."""

    def train(adata, setup=None, max_epochs=40, **kwargs):
        scpi.model.NBVAE.setup_anndata(adata, **(setup or {}))
        model = scpi.model.NBVAE(adata, seed=0, **({"n_latent": 4, "kl_warmup": 10} | kwargs))
        model.train(max_epochs=max_epochs, lr=0.01, accelerator="cpu", enable_progress_bar=False)
        return model

    return train


@pytest.fixture(scope="package")
def model(cells, train):
    return train(cells)
