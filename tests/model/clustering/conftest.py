from __future__ import annotations

from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

GENES = 40


def _groups(*, n_cells: int = 60, fold: float = 4.0, rng: int = 0) -> ad.AnnData:
    """Counts of two groups of cells of which each raises ten genes."""
    generator = np.random.default_rng(rng)
    group = generator.permutation(np.arange(n_cells) % 2)
    rate = np.tile(generator.uniform(1.0, 4.0, GENES), (n_cells, 1))
    rate[group == 0, :10] *= fold
    rate[group == 1, 10:20] *= fold
    rate *= generator.lognormal(0.0, 0.3, (n_cells, 1))
    obs = pd.DataFrame(
        {"group": pd.Categorical.from_codes(group, ["x", "y"]), "weight": generator.uniform(0.5, 2.0, n_cells)},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    adata = ad.AnnData(
        sparse.csr_matrix(generator.poisson(rate).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=[f"g{i}" for i in range(GENES)]),
    )
    adata.obs["depth"] = np.asarray(adata.X.sum(1)).ravel()
    return adata


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., ad.AnnData]:
    """Maker of small data with two groups."""
    return _groups
