"""Shifts between batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def batch_shifts(
    z: NDArray[np.float64], kind: NDArray[np.int64], batch: NDArray[np.int64], *, reference: int | None = None
) -> NDArray[np.float64]:
    """Shift of every cell, from the mean of its kind in its batch to that in the reference batch, (n_cells, n_latent).

    The reference is the batch with the most cells if ``None``; for kinds that it lacks, the one with the most cells of
    the kind.
    """
    reference = int(np.bincount(batch).argmax()) if reference is None else reference
    shifts = np.zeros_like(z)
    for one in np.unique(kind):
        cells = np.flatnonzero(kind == one)
        own = batch[cells]
        target = reference if (own == reference).any() else int(np.bincount(own).argmax())
        centre = z[cells[own == target]].mean(0)
        for other in np.unique(own[own != target]):
            members = cells[own == other]
            shifts[members] = centre - z[members].mean(0)
    return shifts
