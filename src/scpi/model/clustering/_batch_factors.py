"""Factors by which batches multiply the expression of genes, from cells that are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from scpi.model.base.loading._input_transform import InputTransform
from scpi.model.clustering._components import principal_components

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

_N_COMPONENTS = 16
_N_NEIGHBOURS = 20
_N_ROUNDS = 3
# Counts of a gene with a factor of 1 that are added to those in either batch
_PRIOR = 10.0


@torch.no_grad()
def batch_factors(counts: Tensor, size_factor: Tensor | None, batch: Tensor, n_batches: int) -> Tensor:
    """Factor of each gene in each batch, (n_batches, n_genes), with a geometric mean of 1 over the batches.

    Means of whole batches differ in the cells that are in them, and not only in how these were measured. Cells of two batches are
    therefore compared in pairs that are mutual nearest neighbours (Haghverdi et al., Nat. Biotechnol. 36, 2018), in principal components
    of the residuals: first as they are, then after the correction so far. All batches are compared with the largest one.
    A batch whose cells are nobody's neighbours keeps a factor of 1.

    ``counts`` are cells x genes, and ``batch`` the code of each cell.
    """
    transform = InputTransform(counts.shape[1], "pearson", n_batches=n_batches)
    codes = batch.reshape(-1).numpy()
    sizes = np.bincount(codes, minlength=n_batches)
    largest = int(sizes.argmax())
    for _ in range(_N_ROUNDS):
        transform.fit(lambda: iter([(counts, size_factor, batch)]))
        x = transform(counts, size_factor, batch)
        z = ((x - x.mean(0)) @ principal_components(x, _N_COMPONENTS)[0]).numpy()
        depth = transform.relative_depth(counts, size_factor).numpy()[:, 0].astype(np.float64)
        log_factor = np.zeros((n_batches, counts.shape[1]))
        for code in np.flatnonzero(sizes):
            if code != largest:
                one, other = np.flatnonzero(codes == code), np.flatnonzero(codes == largest)
                log_factor[code] = _log_ratio(counts, depth, one, other, _mutual_neighbours(z[one], z[other]))
        log_factor -= log_factor[sizes > 0].mean(0)
        transform.set_factors(torch.from_numpy(np.exp(log_factor)).float())
    return transform.factor[:-1]


def _mutual_neighbours(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.intp]:
    """Pairs of cells of two batches of which each is among the nearest of the other batch to the other, (n_pairs, 2)."""
    n = min(_N_NEIGHBOURS, len(one), len(other))
    of_one = NearestNeighbors(n_neighbors=n).fit(other).kneighbors(one, return_distance=False)
    of_other = NearestNeighbors(n_neighbors=n).fit(one).kneighbors(other, return_distance=False)
    forth = {(i, int(j)) for i, row in enumerate(of_one) for j in row}
    back = {(int(i), j) for j, row in enumerate(of_other) for i in row}
    return np.array(sorted(forth & back), dtype=np.intp).reshape(-1, 2)


def _log_ratio(
    counts: Tensor, depth: Floats, one: NDArray[np.intp], other: NDArray[np.intp], pairs: NDArray[np.intp]
) -> Floats:
    """Logarithm of the ratio of the expression in pairs of cells; 0 without pairs."""
    if not len(pairs):
        return np.zeros(counts.shape[1])
    # A pair weighs the same on both sides, and all pairs together as much as the fewer of their cells
    weight = min(len(np.unique(pairs[:, 0])), len(np.unique(pairs[:, 1]))) / len(pairs)
    total, exposure = [], []
    for cells, column in ((one, 0), (other, 1)):
        own = np.bincount(pairs[:, column], minlength=len(cells)) * weight
        rows = counts[torch.from_numpy(cells)].double()
        total.append((torch.from_numpy(own) @ rows).numpy())
        exposure.append(float(own @ depth[cells]))
    rate = np.maximum((total[0] + total[1]) / sum(exposure), 1e-12)
    levels = [(of + _PRIOR) / (exposed + _PRIOR / rate) for of, exposed in zip(total, exposure, strict=True)]
    return np.asarray(np.log(levels[0] / levels[1]))
