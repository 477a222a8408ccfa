from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import scpi


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def graph_data():
    """Make an AnnData with a causal graph of `n` factors, as `tl.causal_graph` stores it."""

    def make(n, *, n_perturbations=25, edge_probability=0.3, seed=0, set_names=None):
        rng = np.random.default_rng(seed)
        order, rows = rng.permutation(n), []
        for i in range(n):
            rows += [
                (f"factor_{order[i]}", f"factor_{order[j]}", rng.choice([-1, 1]) * rng.uniform(0.1, 1.5))
                for j in range(i + 1, n)
                if rng.random() < edge_probability
            ]
        edges = pd.DataFrame(rows, columns=["source", "target", "weight"]).astype({"weight": float})
        assignment = rng.dirichlet(np.full(n, 0.05), n_perturbations)
        best, labels = assignment.argmax(axis=1), [f"GENE{i}" for i in range(n_perturbations)]
        names = set_names or [f"HALLMARK_SET_NUMBER_{i}" for i in range(50)]
        hit = [[label for label, factor in zip(labels, best, strict=True) if factor == k] for k in range(n)]
        adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
        adata.uns["causal_graph"] = {
            "params": {"model": "Fake"},
            "edges": edges,
            "factors": pd.DataFrame(
                {
                    "factor": [f"factor_{k}" for k in range(n)],
                    "n_targets": [len(h) for h in hit],
                    "targets": [";".join(h) for h in hit],
                    "top_sets": [";".join(rng.choice(names, 5, replace=False)) for _ in range(n)],
                }
            ),
            "targets": pd.DataFrame(
                {
                    "perturbation": labels,
                    "factor": [f"factor_{k}" for k in best],
                    "probability": assignment.max(axis=1),
                    "strength": rng.normal(size=n_perturbations),
                    "entropy": -(assignment * np.log(assignment + 1e-300)).sum(axis=1),
                }
            ),
            "assignment": assignment,
        }
        return adata

    return make


@pytest.fixture
def tested():
    """Make an AnnData with tests of many gene sets in a few perturbations."""

    def make(n_sets=30, groups=("A", "B", "C"), name="HALLMARK_SET_{}"):
        rng = np.random.default_rng(0)
        labels = np.repeat(["control", *groups], 40)
        adata = ad.AnnData(np.zeros((len(labels), 1), dtype=np.float32), obs={"perturbation": labels})
        activity = rng.normal(size=(len(labels), n_sets))
        for i, group in enumerate(groups):
            activity[labels == group, i : i + 2] += [3.0, -2.0]
        adata.obsm["pathway_activity"] = activity
        adata.uns["pathway_activity"] = {"names": np.array([name.format(i) for i in range(n_sets)], dtype=object)}
        scpi.tl.differential_activity(adata)
        return adata

    return make


@pytest.fixture
def scored():
    """A prediction of three perturbations, of which the last has no real cells."""
    rng = np.random.default_rng(0)
    effect = {"control": 0.0, "A": np.linspace(-1, 1, 40), "B+C": np.linspace(2, 0, 40)}
    labels = np.repeat(list(effect), [60, 30, 50])
    real = ad.AnnData(np.stack([effect[x] + rng.normal(3, 0.3, 40) for x in labels]), obs={"perturbation": labels})
    made = np.repeat(["A", "B+C", "unseen"], 20)
    x = np.stack([0.7 * effect.get(label, 0.0) + rng.normal(3, 0.3, 40) for label in made])
    predicted = ad.AnnData(x, obs={"perturbation": made})
    predicted.var_names = real.var_names = [f"G{i}" for i in range(40)]
    scpi.tl.score_prediction(predicted, real)
    return predicted
