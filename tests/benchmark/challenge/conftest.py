"""Measured and predicted counts that are hard to score: ties, genes without a count, few cells."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

N_GENES = 90
SIZES = {"control": 60, "g1": 25, "g2": 25, "g3": 20, "g4": 2, "g5": 12, "g6": 3, "drug": 30, "none": 20}


def uniform(*keys):
    """Numbers between 0 and 1 that are the same everywhere, as no random generator makes them."""
    return np.modf(
        np.abs(np.sin(sum(key * factor for key, factor in zip(keys, (12.9898, 78.233, 37.719), strict=False))))
        * 43758.5453
    )[0]


def cells(seed, strength, wrong):
    """Counts of conditions; ``wrong`` is the fraction of the genes whose changes have the wrong sign."""
    genes = np.arange(N_GENES)
    base = 6.0 * uniform(genes, 0.5) ** 3
    base[-6:] = 0.0
    rows, labels = [], []
    for code, (name, n) in enumerate(SIZES.items()):
        sign = np.where(uniform(genes, code, 5.0) < wrong, -1.0, 1.0)
        # A condition whose prediction is that of another one
        of = 2 if wrong and name == "g5" else code
        effect = np.where(uniform(genes, of, 3.0) < 0.5, sign * strength * (2.0 * uniform(genes, of, 7.0) - 1.0), 0.0)
        if name in ("control", "none"):
            effect[:] = 0.0
        if name.startswith("g"):
            effect[int(name[1:])] = -4.0
        cell = np.arange(n)[:, None]
        depth = 0.4 + 1.6 * uniform(cell, code + 100.0 * seed, 11.0)
        drawn = -np.log(1.0 - uniform(cell + 31.0 * seed, genes[None], code + 1.0)) * base * np.exp(effect) * depth
        rows.append(np.floor(drawn))
        labels += [name] * n
    counts = np.concatenate(rows)
    # One cell of a condition without a count
    counts[labels.index("g5")] = 0.0
    obs = pd.DataFrame({"perturbation": labels}, index=[f"c{i}" for i in range(len(labels))])
    return ad.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in genes])
    )


@pytest.fixture(scope="session")
def measured():
    return cells(0, 3.0, 0.0)


@pytest.fixture(scope="session")
def predicted():
    """Predicted cells with weaker effects, some in the wrong direction, and controls of their own."""
    return cells(1, 1.8, 0.3)
