from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi

N_GENES = 30
# How much each condition raises its genes, by label and dose
EFFECT = {"A": slice(0, 6), "B": slice(6, 12)}
CONTEXTS = ("x", "y", "z")


def _shifted(*, conditions=(("A", 1.0),), n_cells=40, rng=0, treated_contexts=CONTEXTS):
    """Cells of three contexts on a log scale, that vary along two directions; conditions raise genes alike in all."""
    generator = np.random.default_rng(rng)
    loadings = generator.normal(0, 0.15, (2, N_GENES))
    rows, blocks = [], []
    for context in CONTEXTS:
        own = np.random.default_rng("xyz".index(context)).normal(0, 0.2, N_GENES)
        base = np.random.default_rng(7).uniform(0.5, 1.2, N_GENES) + own
        for label, dose in (("control", 0.0), *conditions):
            if label != "control" and context not in treated_contexts:
                continue
            x = base + generator.normal(size=(n_cells, 2)) @ loadings + generator.normal(0, 0.05, (n_cells, N_GENES))
            for member in () if label == "control" else label.split("+"):
                x[:, EFFECT[member]] += 1.5 * dose
            rows += [(label, dose, context)] * n_cells
            blocks.append(x)
    order = generator.permutation(len(rows))
    obs = pd.DataFrame(rows, columns=["perturbation", "dose", "context"]).iloc[order]
    obs.index = pd.Index([f"cell{index}" for index in range(len(obs))])
    return ad.AnnData(np.concatenate(blocks).astype(np.float32)[order].clip(0), obs=obs)


@pytest.fixture(scope="session")
def make_shifted():
    """Maker of log-normalised screens whose effects are known."""
    return _shifted


@pytest.fixture(scope="session")
def train():
    """Set up, build and train a model."""

    def make(adata, *, setup=None, train=None, **kwargs):
        scpi.model.SCButterfly.setup_anndata(adata, **({"context_key": "context"} | (setup or {})))
        model = scpi.model.SCButterfly(adata, **kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quiet = {"accelerator": "cpu", "enable_progress_bar": False}
            model.train(**({"max_epochs": 2} | quiet | (train or {})))
        return model

    return make
