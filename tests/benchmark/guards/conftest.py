"""A screen that is divided without a leak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

import scpi
from scpi.benchmark import splits
from scpi.benchmark.grid._cells import _normalised


@pytest.fixture(scope="session")
def planted():
    """Six perturbations and their pairs, 20 cells each, in 765 genes."""
    adata = _normalised(scpi.datasets.plant_screen(n_perturbations=6, n_cells=20, n_decoy_sets=0, rng=0))
    # Some functions of scanpy take no sparse arrays
    adata.X = sparse.csr_matrix(adata.X)
    return adata


@pytest.fixture
def adata(planted):
    return planted.copy()


@pytest.fixture
def split(planted):
    """Two perturbations left out, with all pairs that they are in."""
    return splits.leave_perturbations_out(planted, n_splits=3)[0]


@pytest.fixture
def known(planted, split):
    """All cells but those to predict."""
    return np.setdiff1d(np.arange(planted.n_obs), split.test)
