from __future__ import annotations

import warnings

import pytest

import scpi


@pytest.fixture(scope="session")
def programs():
    """Cells with three programs, in two batches."""
    return scpi.datasets.gene_programs(400, 120, 3, n_genes_per_program=20, n_batches=2, rng=1)


@pytest.fixture(scope="session")
def train():
    def train(adata, setup=None, max_epochs=40, **kwargs):
        scpi.model.GeneProgramAE.setup_anndata(adata, **(setup or {}))
        model = scpi.model.GeneProgramAE(adata, **kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train(max_epochs=max_epochs, accelerator="cpu", enable_progress_bar=False)
        return model

    return train
