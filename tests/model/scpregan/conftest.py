from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi.model import SCPREGAN

SMALL = {"n_hidden": (16, 8), "n_latent": 4}


def _screen(conditions=None, *, rng=0):
    """Log-like expression of cells of two contexts, in random order."""
    generator = np.random.default_rng(rng)
    conditions = {"control": 40, "A": 30} if conditions is None else conditions
    labels = generator.permutation(np.repeat(list(conditions), list(conditions.values())))
    x = generator.gamma(0.5, size=(len(labels), 12)).astype(np.float32)
    for index, name in enumerate("ABC"):
        x[[name in label.split("+") for label in labels], 3 * index : 3 * index + 3] += 1
    obs = pd.DataFrame(
        {
            "perturbation": labels,
            "cell_type": generator.choice(["T", "B", "NK"], len(labels)),
            "dose": np.where(
                labels == "control", 0.0, generator.choice([0.0, 1.0, 4.0], len(labels), p=[0.2, 0.4, 0.4])
            ),
        },
        index=[f"c{i}" for i in range(len(labels))],
    )
    return ad.AnnData(x, obs=obs)


def _build(adata=None, *, setup=None, **changes):
    adata = _screen() if adata is None else adata
    SCPREGAN.setup_anndata(adata, **({"context_key": "cell_type"} if setup is None else setup))
    return SCPREGAN(adata, **(SMALL | changes))


def _train(model, max_epochs=2, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(max_epochs, accelerator="cpu", enable_progress_bar=False, **kwargs)
    return model


@pytest.fixture(scope="session")
def screen():
    """Maker of small screens of log-like expression."""
    return _screen


@pytest.fixture(scope="session")
def build():
    """Maker of small models."""
    return _build


@pytest.fixture(scope="session")
def train():
    """Trains a model and returns it."""
    return _train
