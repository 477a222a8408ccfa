"""Initialisation of training, and the fingerprint of training cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from scpi._fingerprint import fingerprint
from scpi._screen._expression import row_sums
from scpi.model.base.loading._dataset import blocks
from scpi.model.base.loading._input_transform import check_cells_differ
from scpi.model.clustering._components import principal_components

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scpi.model.base.loading._splitter import CellSplitter

# Numbers, cells x genes, of the sample that axes are taken from
_START_NUMBERS = 1 << 25
_MOST_START_CELLS = 5000
# Fraction of the cells that the ball of the prior holds at the start
_WITHIN = 0.9


@torch.no_grad()
def project(splitter: CellSplitter, *, n_latent: int, radius: float) -> Tensor:
    """Principal components of the logarithms of all cells, scaled to lie in a ball, (n_cells, n_latent).

    The axes are those of a sample of the training cells.
    """
    n_genes = int(splitter.dataset.x.shape[1])
    sample = splitter.sample(min(_MOST_START_CELLS, max(_START_NUMBERS // n_genes, 2)))
    counts = splitter.dataset.rows(sample)[0]
    check_cells_differ(counts)
    depth = float(_total(counts).median())
    logs = torch.log1p(counts / _total(counts) * depth)
    mean, (axes, _) = logs.mean(0), principal_components(logs, n_latent)
    z = torch.zeros(len(splitter.dataset), n_latent)
    for cells in blocks(np.arange(len(z))):
        counts = splitter.dataset.rows(cells)[0]
        z[cells[0] : cells[-1] + 1, : axes.shape[1]] = (torch.log1p(counts / _total(counts) * depth) - mean) @ axes
    size = torch.quantile(z[torch.from_numpy(sample)].norm(dim=1), _WITHIN)
    return z * (radius / size.clamp(min=1e-6))


def _total(counts: Tensor) -> Tensor:
    return counts.sum(1, keepdim=True).clamp(min=1.0)


def start_means(
    z: NDArray[np.float32], labels: NDArray[np.int64], *, n_labels: int, n_each: int, seed: int
) -> NDArray[np.float32]:
    """Means of the components: centres of the cells of each label, (n_labels * n_each, n_latent)."""
    return np.concatenate([_centres(z[labels == label], n_each, seed) for label in range(n_labels)])


def _centres(z: NDArray[np.float32], n: int, seed: int) -> NDArray[np.float32]:
    if len(z) <= n:
        # Fewer cells than components
        rows = z if len(z) else np.zeros((1, z.shape[1]), dtype=np.float32)
        return np.resize(rows, (n, z.shape[1]))
    found = KMeans(n, n_init=3, random_state=seed).fit(z)
    return np.asarray(found.cluster_centers_, dtype=np.float32)


def widest_axes(z: Tensor) -> NDArray[np.float32]:
    """The two directions along which points vary most, (n_dimensions, 2); one of zeros where there is one dimension."""
    axes = np.zeros((z.shape[1], 2), dtype=np.float32)
    found = principal_components(z.float(), 2)[0].numpy()
    axes[:, : found.shape[1]] = found
    return axes


def identity_of(names: pd.Index, counts: Any, codes: NDArray[np.int64], values: NDArray[np.float32]) -> str:
    """Word for cells: for their names, their total counts and their covariates."""
    return fingerprint([np.asarray(names, dtype=str), row_sums(counts), codes, values])
