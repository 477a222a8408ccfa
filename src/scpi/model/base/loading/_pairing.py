"""Batches that set perturbed cells beside freshly drawn control cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedBatch:
    """Cells of one training step.

    Attributes
    ----------
    conditions
        Codes of the conditions, (n_conditions,).
    perturbed
        Indices of the perturbed cells, (n_conditions, n_cells), -1 for padding.
    controls
        Indices of the control cells, (n_conditions, n_cells).
    """

    conditions: NDArray[np.int64]
    perturbed: NDArray[np.int64]
    controls: NDArray[np.int64]


class PairedBatchSampler(Sampler[PairedBatch]):
    """Groups perturbed cells by condition and draws controls for them, anew every epoch.

    The cells of a condition are cut into parts of nearly the same size, at most ``n_cells``, so that every cell is
    seen once an epoch and none is dropped, however few its condition has. Several parts make a batch.

    Parameters
    ----------
    perturbed
        Indices of the perturbed cells.
    conditions
        Code of the condition of each perturbed cell.
    controls
        Indices of the control cells.
    perturbed_strata, control_strata
        Code of the stratum (batch and context) of each cell. Controls are drawn from the stratum of the perturbed cell
        that they stand beside, or from all controls where its stratum has none.
    n_cells
        Most cells of a condition in a part.
    n_parts
        Parts in a batch.
    shuffle
        Whether the cells and parts are in another order, and the controls others, in every epoch.
    seed
        Seed of the draws; equal seeds give equal batches on every process of a distributed run.
    """

    def __init__(
        self,
        perturbed: NDArray[np.int64],
        conditions: NDArray[np.int64],
        controls: NDArray[np.int64],
        *,
        perturbed_strata: NDArray[np.int64],
        control_strata: NDArray[np.int64],
        n_cells: int = 32,
        n_parts: int = 8,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        if len(controls) == 0:
            msg = "There is no control cell to set beside the perturbed cells."
            raise ValueError(msg)
        self.n_cells, self.n_parts, self.shuffle, self.seed = n_cells, n_parts, shuffle, seed
        order = np.argsort(conditions, kind="stable")
        self._cells, self._strata = perturbed[order], perturbed_strata[order]
        self._conditions, starts = np.unique(conditions[order], return_index=True)
        self._bounds = np.append(starts, len(order))
        pools = {stratum: controls[control_strata == stratum] for stratum in np.unique(control_strata)}
        self._pools = {stratum: pools.get(stratum, controls) for stratum in np.unique(perturbed_strata)}
        self._n_chunks = -(-np.diff(self._bounds) // n_cells)
        self._epoch = 0

    def __len__(self) -> int:
        return int(-(-self._n_chunks.sum() // self.n_parts))

    def __iter__(self) -> Iterator[PairedBatch]:
        rng = np.random.default_rng([self.seed, self._epoch])
        if self.shuffle:
            self._epoch += 1
        parts = [(condition, rows) for condition, rows in self._parts(rng)]
        order = rng.permutation(len(parts)) if self.shuffle else np.arange(len(parts))
        for start in range(0, len(parts), self.n_parts):
            yield self._batch([parts[index] for index in order[start : start + self.n_parts]], rng)

    def _parts(self, rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Condition and rows of every part."""
        for condition, first, last, n_chunks in zip(
            self._conditions, self._bounds[:-1], self._bounds[1:], self._n_chunks, strict=True
        ):
            rows = np.arange(first, last)
            rows = rng.permutation(rows) if self.shuffle else rows
            for chunk in np.array_split(rows, n_chunks):
                yield int(condition), chunk

    def _batch(self, parts: list[tuple[int, NDArray[np.int64]]], rng: np.random.Generator) -> PairedBatch:
        """Cells of a batch, with a control for every place, padding included."""
        perturbed = np.full((len(parts), self.n_cells), -1, dtype=np.int64)
        controls = np.empty((len(parts), self.n_cells), dtype=np.int64)
        for row, (_, rows) in enumerate(parts):
            perturbed[row, : len(rows)] = self._cells[rows]
            # Padding takes the strata of the part in turn: the controls keep its composition.
            strata = np.resize(self._strata[rows], self.n_cells)
            for stratum in np.unique(strata):
                places = np.flatnonzero(strata == stratum)
                controls[row, places] = rng.choice(self._pools[stratum], size=len(places))
        return PairedBatch(np.array([condition for condition, _ in parts], dtype=np.int64), perturbed, controls)
