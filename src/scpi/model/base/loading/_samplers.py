"""Samplers of batches: single cells, controls alongside perturbed cells, or matched pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import Sampler

from scpi._screen._stored_rows import runs_of, shuffled_nearby
from scpi.model.base.loading._dataset import CellBatch
from scpi.model.base.loading._transport import CellPairs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


# Parts with other controls in each, at the least
_PARTS = 8


def windows_of(
    cells: NDArray[np.int64], *, run: int, n_cells: int, rng: np.random.Generator | None
) -> NDArray[np.int64]:
    """Window of each cell: runs of consecutive rows with about ``n_cells`` of the cells in total.

    Runs are drawn at random, or in order if ``rng`` is ``None``.
    """
    unique, run_of = np.unique(cells // run, return_inverse=True)
    order = np.arange(len(unique)) if rng is None else rng.permutation(len(unique))
    sizes = np.bincount(run_of, minlength=len(unique))[order]
    window = np.empty(len(unique), dtype=np.int64)
    window[order] = (np.cumsum(sizes) - sizes) // n_cells
    return np.unique(window, return_inverse=True)[1].astype(np.int64)[run_of]


def read_together(batches: Iterable[CellBatch]) -> Iterator[CellBatch]:
    """Batches whose cells are read at once."""
    chosen = list(batches)
    cells = [batch.cells for batch in chosen]
    cells += [batch.perturbed[batch.perturbed >= 0] for batch in chosen if batch.perturbed is not None]
    together = np.unique(np.concatenate(cells))
    return (batch._replace(together=together) for batch in chosen)


class CellSampler(Sampler[CellBatch]):
    """Positions of single cells, in batches of nearly equal size, at most ``batch_size``, and none with only one cell.

    With ``shuffle``, batches differ between epochs.
    """

    def __init__(self, cells: NDArray[np.int64], *, batch_size: int, shuffle: bool, seed: int) -> None:
        self._cells, self._batch_size, self._shuffle, self._seed = cells, batch_size, shuffle, seed
        self._epoch = 0

    @property
    def _n_drawn(self) -> int:
        """Number of cells in an epoch."""
        return len(self._cells)

    def __len__(self) -> int:
        # One cell more in a batch is better than a batch of one cell.
        n_batches = -(-self._n_drawn // self._batch_size)
        return max(1, min(n_batches, self._n_drawn // 2))

    def __iter__(self) -> Iterator[CellBatch]:
        order = self._cells
        if self._shuffle:
            order = self._shuffled(np.random.default_rng([self._seed, self._epoch]))
        self._epoch += 1
        yield from self._batches(np.array_split(order[: self._n_drawn], len(self)))

    def _shuffled(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(self._cells)

    def _batches(self, cells: list[NDArray[np.int64]]) -> Iterator[CellBatch]:
        return map(self._batch, cells)

    def _batch(self, cells: NDArray[np.int64]) -> CellBatch:
        return CellBatch(cells)


class StoredCellSampler(CellSampler):
    """Positions of single cells that are not in memory; consecutive rows of a file are read at once.

    Cells are divided into runs of consecutive rows. Randomly drawn runs are read together, and their cells are shuffled
    and divided into batches.

    Parameters
    ----------
    cells
        Positions.
    run
        Number of rows of a run.
    n_together
        Number of cells in memory at a time.
    batch_size, shuffle, seed
        As in :class:`CellSampler`.
    """

    def __init__(
        self,
        cells: NDArray[np.int64],
        *,
        run: int,
        n_together: int,
        batch_size: int,
        shuffle: bool,
        seed: int,
    ) -> None:
        super().__init__(np.sort(cells), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._run, self._n_batches = run, max(1, n_together // batch_size)

    def _shuffled(self, rng: np.random.Generator) -> NDArray[np.int64]:
        ends = np.cumsum([len(batch) for batch in np.array_split(self._cells, len(self))])
        return shuffled_nearby(self._cells, rng, run=self._run, ends=ends[self._n_batches - 1 :: self._n_batches])

    def _batches(self, cells: list[NDArray[np.int64]]) -> Iterator[CellBatch]:
        for start in range(0, len(cells), self._n_batches):
            yield from read_together(map(self._batch, cells[start : start + self._n_batches]))


class PairSampler(CellSampler):
    """Matched pairs of cells, in batches of nearly equal size.

    An epoch uses ``n_drawn`` pairs, drawn anew in each epoch; all if ``None``.
    """

    def __init__(
        self, pairs: CellPairs, *, n_drawn: int | None = None, batch_size: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__(np.arange(len(pairs.source)), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self.pairs, self._n = pairs, n_drawn

    @property
    def _n_drawn(self) -> int:
        return len(self._cells) if self._n is None else min(self._n, len(self._cells))

    def _batch(self, cells: NDArray[np.int64]) -> CellBatch:
        return CellBatch(self.pairs.source[cells], self.pairs.target[cells])


class StoredPairSampler(StoredCellSampler):
    """Cells that are not in memory, each paired with itself; the arguments are those of :class:`StoredCellSampler`."""

    @property
    def pairs(self) -> CellPairs:
        """Every cell with itself."""
        return CellPairs(self._cells, self._cells)

    def _batch(self, cells: NDArray[np.int64]) -> CellBatch:
        return CellBatch(cells, cells)


class ControlSampler(Sampler[CellBatch]):
    """Perturbed cells grouped by condition, with controls drawn for them anew in every epoch.

    The cells of a condition are divided into parts of nearly equal size, at most ``n_cells``, so that every cell is
    used once per epoch and none is dropped, even in small conditions. A batch has at most ``n_parts`` parts, each
    padded to ``n_cells``. Controls are drawn from the stratum (batch and context) of the perturbed cell that they
    accompany, or from all controls if its stratum has none. Equal seeds give equal batches in every process of a
    distributed run. A ValueError is raised if there are no control cells.

    With ``windows``, one for each perturbed cell, all cells of a batch are from the same window.
    """

    def __init__(
        self,
        perturbed: NDArray[np.int64],
        conditions: NDArray[np.int64],
        controls: NDArray[np.int64],
        *,
        perturbed_strata: NDArray[np.int64],
        control_strata: NDArray[np.int64],
        windows: NDArray[np.int64] | None = None,
        n_cells: int = 32,
        n_parts: int = 8,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        if len(controls) == 0:
            msg = "There is no control cell to accompany the perturbed cells."
            raise ValueError(msg)
        self.n_cells, self.n_parts, self.shuffle, self.seed = n_cells, n_parts, shuffle, seed
        windows = np.zeros_like(conditions) if windows is None else windows
        order = np.lexsort((conditions, windows))
        self._cells, self._strata = perturbed[order], perturbed_strata[order]
        (self._windows, self._conditions), starts = np.unique(
            np.stack([windows, conditions])[:, order], axis=1, return_index=True
        )
        self._bounds = np.append(starts, len(order))
        pools = {stratum: controls[control_strata == stratum] for stratum in np.unique(control_strata)}
        self._pools = {stratum: pools.get(stratum, controls) for stratum in np.unique(perturbed_strata)}
        self._n_chunks = -(-np.diff(self._bounds) // n_cells)
        self._epoch = 0

    def __len__(self) -> int:
        n_parts = np.bincount(self._windows, weights=self._n_chunks).astype(np.int64)
        return int((-(-n_parts // self.n_parts)).sum())

    def __iter__(self) -> Iterator[CellBatch]:
        rng = np.random.default_rng([self.seed, self._epoch])
        if self.shuffle:
            self._epoch += 1
        windows = np.unique(self._windows)
        for window in rng.permutation(windows) if self.shuffle else windows:
            yield from self._batches(np.flatnonzero(self._windows == window), rng)

    def _batches(self, groups: NDArray[np.intp], rng: np.random.Generator) -> Iterator[CellBatch]:
        """Batches of the conditions of a window."""
        parts, pools = list(self._parts(groups, rng)), self._pools_of(groups, rng)
        order = rng.permutation(len(parts)) if self.shuffle else np.arange(len(parts))
        for start in range(0, len(parts), self.n_parts):
            yield self._batch([parts[index] for index in order[start : start + self.n_parts]], pools, rng)

    def _pools_of(self, groups: NDArray[np.intp], rng: np.random.Generator) -> dict[int, NDArray[np.int64]]:
        """Controls of each stratum from which those of a window are drawn."""
        return self._pools

    def _parts(self, groups: NDArray[np.intp], rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Condition and rows of every part."""
        for group in groups:
            rows = np.arange(self._bounds[group], self._bounds[group + 1])
            rows = rng.permutation(rows) if self.shuffle else rows
            for chunk in np.array_split(rows, self._n_chunks[group]):
                yield int(self._conditions[group]), chunk

    def _batch(
        self,
        parts: list[tuple[int, NDArray[np.int64]]],
        pools: dict[int, NDArray[np.int64]],
        rng: np.random.Generator,
    ) -> CellBatch:
        """Cells of a batch, with a control for every position, including padding."""
        perturbed = np.full((len(parts), self.n_cells), -1, dtype=np.int64)
        controls = np.empty((len(parts), self.n_cells), dtype=np.int64)
        for row, (_, rows) in enumerate(parts):
            perturbed[row, : len(rows)] = self._cells[rows]
            # Padding cycles through the strata of the part, so that controls keep its composition
            strata = np.resize(self._strata[rows], self.n_cells)
            for stratum in np.unique(strata):
                places = np.flatnonzero(strata == stratum)
                pool = pools[stratum]
                controls[row, places] = rng.choice(pool, size=len(places), replace=len(pool) < len(places))
        conditions = np.array([condition for condition, _ in parts], dtype=np.int64)
        return CellBatch(controls.reshape(-1), perturbed.reshape(-1), conditions)


class StoredControlSampler(ControlSampler):
    """Perturbed cells of the runs of a window, and controls of some runs that are drawn for the window in every epoch.

    The cells of a window are read at once. The window reads the same fraction of the controls of each stratum as it has
    of the perturbed cells, and at least the controls of some parts. ``run`` is the number of rows of a run; further
    arguments, including ``windows``, are those of :class:`ControlSampler`.
    """

    def __init__(self, *cells: NDArray[np.int64], run: int, **options: Any) -> None:
        super().__init__(*cells, **options)
        self._runs = {stratum: runs_of(np.sort(pool), run) for stratum, pool in self._pools.items()}
        self._controls_per_cell = {
            stratum: len(pool) / (self._strata == stratum).sum() for stratum, pool in self._pools.items()
        }

    def _pools_of(self, groups: NDArray[np.intp], rng: np.random.Generator) -> dict[int, NDArray[np.int64]]:
        rows = np.concatenate([np.arange(self._bounds[group], self._bounds[group + 1]) for group in groups])
        pools = {}
        for stratum, n in zip(*np.unique(self._strata[rows], return_counts=True), strict=True):
            runs = self._runs[stratum]
            order = rng.permutation(len(runs))
            # Each control is used as often as in an epoch over all controls
            wanted = max(n * self._controls_per_cell[stratum], _PARTS * self.n_cells)
            enough = np.searchsorted(np.cumsum([len(runs[index]) for index in order]), wanted) + 1
            pools[stratum] = np.concatenate([runs[index] for index in order[:enough]])
        return pools

    def _batches(self, groups: NDArray[np.intp], rng: np.random.Generator) -> Iterator[CellBatch]:
        yield from read_together(super()._batches(groups, rng))
