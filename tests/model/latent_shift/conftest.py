from __future__ import annotations

import warnings
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import scpi

CONTEXTS = ["a", "b", "c", "d", "e"]
GENES = 12
DOSES = [1.0, 3.0, 10.0]
SMALL = {"n_hidden": 16, "n_layers": 1, "n_latent": GENES}


def _screen(*, doses: bool = False, missing: str | None = "e", rng: int = 0) -> ad.AnnData:
    """Expression on a log scale, in which the change under two drugs is linear in the controls of the context."""
    generator = np.random.default_rng(rng)
    slope = generator.normal(0, 0.3, (2, GENES, GENES))
    base = generator.normal(0, 1, (2, GENES))
    rows, obs = [], []
    for place, context in enumerate(CONTEXTS):
        centre = generator.normal(5, 1, GENES)
        for label, drugs in {"control": [], "x": [0], "y": [1], "x+y": [0, 1]}.items():
            if label == "x+y" and place % 2:
                continue
            for dose in DOSES if doses and label != "control" else [1.0]:
                if context == missing and label != "control":
                    continue
                share = np.log1p(dose) / np.log1p(DOSES[-1]) if doses else 1.0
                change = share * sum((base[drug] + slope[drug] @ centre for drug in drugs), np.zeros(GENES))
                n = 4 + place + 3 * len(drugs)
                rows.append(generator.normal(centre + change, 0.1, (n, GENES)))
                obs += [(label, context, 0.0 if label == "control" else dose)] * n
    x = np.concatenate(rows).astype(np.float32)
    table = pd.DataFrame(obs, columns=["perturbation", "context", "dose"])
    table["batch"] = generator.choice(["one", "two", "two"], len(table))
    table.index = table.index.astype(str)
    return ad.AnnData(x, obs=table, var=pd.DataFrame(index=[f"g{i}" for i in range(GENES)]))


@pytest.fixture(scope="session")
def make_contexts():
    """Maker of screens with several contexts."""
    return _screen


class Linear(nn.Module):
    """A linear map in the place of a network."""

    def __init__(self, weight: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight.astype(np.float32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def _with_linear_networks(name: str, adata: ad.AnnData, *, doses: bool = False, **kwargs: Any) -> Any:
    """A model whose latent space is the space of the genes, turned."""
    cls = getattr(scpi.model, name)
    cls.setup_anndata(adata, context_key="context", batch_key="batch", dose_key="dose" if doses else None)
    model = cls(adata, **{**SMALL, **kwargs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(1, train_size=1.0, accelerator="cpu", enable_progress_bar=False)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(GENES, GENES)))[0]
    model.module.z_encoder.encoder, model.module.z_encoder.mean_encoder = nn.Identity(), Linear(rotation)
    model.module.decoder = Linear(rotation.T)
    model._keep_profiles()
    return model


@pytest.fixture(scope="session")
def linear_model():
    """Maker of models with linear networks."""
    return _with_linear_networks


@pytest.fixture(scope="session")
def baseline(build):
    """Trainer of baselines on the same cells."""

    def train(name, adata, *, doses=False):
        setup = {"context_key": "context", "dose_key": "dose" if doses else None}
        return build(name, adata, setup=setup, train={"train_size": 1.0})

    return train
