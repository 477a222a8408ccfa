from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi

CONTEXTS = ["a", "b", "c", "d", "e"]
DOSES = (1.0, 3.0, 10.0)


def _contexts(*, doses: bool = False, missing: str | None = "e", counts: bool = False, rng: int = 0) -> ad.AnnData:
    """Cells of five contexts, whose genes 0 to 9 a drug multiplies by e, or by e to the share of the logarithm of dose."""
    generator = np.random.default_rng(rng)
    base, rows, obs = generator.uniform(-1.0, 1.5, 30), [], []
    for context in CONTEXTS:
        level = base + generator.normal(0, 0.5, 30)
        for label in ("control", "drug"):
            if context == missing and label == "drug":
                continue
            for dose in DOSES if doses and label == "drug" else (1.0,):
                n = 40 if label == "control" else 30
                share = (np.log1p(dose) / np.log1p(DOSES[-1]) if doses else 1.0) * (label == "drug")
                moved = level + share * (np.arange(30) < 10)
                rate = np.exp(moved + generator.normal(0, 0.2, (n, 30)))
                rows.append(generator.poisson(rate * 20) if counts else np.log1p(generator.poisson(rate * 50) / 50))
                obs += [(label, context, dose if label == "drug" else 0.0)] * n
    x = np.concatenate(rows).astype(np.float32)
    table = pd.DataFrame(obs, columns=["perturbation", "context", "dose"], index=np.arange(len(x)).astype(str))
    order = generator.permutation(len(x))
    adata = ad.AnnData(sparse.csr_matrix(x[order]), obs=table.iloc[order])
    adata.var_names = [f"g{i}" for i in range(30)]
    return adata


@pytest.fixture(scope="session")
def make_contexts():
    """Maker of screens with several contexts."""
    return _contexts


@pytest.fixture(scope="session")
def fit():
    """Set up and train a multi-task autoencoder that is small."""

    def train(adata, *, doses=False, epochs=1, setup=None, train=None, **kwargs):
        cls = scpi.model.MultiTaskAE
        cls.setup_anndata(adata, context_key="context", **({"dose_key": "dose"} if doses else {}), **(setup or {}))
        model = cls(adata, **({"n_hidden": (32,), "n_latent": 8} | kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train(epochs, accelerator="cpu", enable_progress_bar=False, **({"train_size": 1.0} | (train or {})))
        return model

    return train
