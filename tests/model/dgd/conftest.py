from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import scpi
from scpi.model.base import KEYS
from scpi.model.base.counts._covariate_code import CovariateCode
from scpi.model.dgd._module import DGDModule
from scpi.model.dgd._presets import PRESETS, RULES

QUIET = {"accelerator": "cpu", "enable_progress_bar": False}


@pytest.fixture(scope="session")
def cells():
    """Cells of three groups of unequal size, in two batches that do not depend on them."""
    adata = scpi.datasets.splat(
        240,
        n_genes=120,
        group_prob=(0.5, 0.3, 0.2),
        de_prob=0.5,
        de_fac_loc=0.5,
        de_fac_scale=0.6,
        batch_prob=(0.5, 0.5),
        lib_loc=7.5,
        rng=1,
    )
    rng = np.random.default_rng(0)
    adata.obs["site"] = pd.Categorical(rng.choice(["north", "south", "west"], adata.n_obs))
    adata.obs["age"] = rng.normal(50.0, 10.0, adata.n_obs)
    adata.obs["depth"] = np.asarray(adata.X.sum(1)).ravel()
    return adata


@pytest.fixture(scope="session")
def train():
    def train(adata, setup=None, max_epochs=30, training=None, **kwargs):
        scpi.model.DGD.setup_anndata(adata, **(setup or {}))
        model = scpi.model.DGD(adata, **({"n_latent": 5} | kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train(max_epochs=max_epochs, **QUIET | (training or {}))
        return model

    return train


@pytest.fixture
def make_module():
    """Maker of a small network with random representations of 8 cells, and of a batch of these."""

    def make(*, n_genes=6, n_components=3, sizes=(), n_continuous=0, n_labels=0, preset="scpi", **changes):
        from scpi.model.base import choose_preset

        torch.manual_seed(0)
        module = DGDModule(
            n_genes,
            n_cells=8,
            n_components=n_components,
            covariates=CovariateCode(sizes, n_continuous),
            n_labels=n_labels,
            preset=choose_preset(scpi.model.DGD, PRESETS, preset, {"n_latent": 2, "n_hidden": (7,)} | changes, RULES),
        )
        torch.nn.init.normal_(module.representations.weight, std=0.5)
        tensors = {KEYS.X: torch.poisson(torch.full((8, n_genes), 3.0)), KEYS.INDEX: torch.arange(8)}
        return module, tensors

    return make
