"""Which cells make a batch: single cells, controls alongside perturbed cells, or matched pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from scpi.model.base.loading._dataset import CellBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scpi.model.base.loading._transport import CellPairs


class CellSampler(Sampler[CellBatch]):
    """Positions of single cells, in batches of nearly the same size, at most ``batch_size``, and none of a single cell.

    With ``shuffle``, every epoch has other batches.
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
        return map(CellBatch, cells)


class StoredCellSampler(CellSampler):
    """Positions of single cells that are not in memory: what a file holds next to each other is read at once.

    Cells are divided into runs of neighbours. Some runs that are drawn at random are read together, and their cells are
    shuffled and divided into batches.

    Parameters
    ----------
    cells
        Positions.
    run
        Number of neighbours of a run.
    n_together
        Number of cells that are in memory at a time.
    batch_size, shuffle, seed
        As in :class:`CellSampler`.
    """

    def __init__(
        self,
        cells: NDArray[np.int64],
        *,
        run: int,
        n_together: int = 16_384,
        batch_size: int,
        shuffle: bool,
        seed: int,
    ) -> None:
        super().__init__(np.sort(cells), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self._run, self._n_batches = run, max(1, n_together // batch_size)

    def _shuffled(self, rng: np.random.Generator) -> NDArray[np.int64]:
        runs = np.split(self._cells, np.flatnonzero(np.diff(self._cells // self._run)) + 1)
        order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
        ends = np.cumsum([len(batch) for batch in np.array_split(order, len(self))])
        for together in np.split(order, ends[self._n_batches - 1 :: self._n_batches]):
            rng.shuffle(together)
        return order

    def _batches(self, cells: list[NDArray[np.int64]]) -> Iterator[CellBatch]:
        for start in range(0, len(cells), self._n_batches):
            chosen = cells[start : start + self._n_batches]
            together = np.sort(np.concatenate(chosen))
            for batch in chosen:
                yield CellBatch(batch, together=together)


class PairSampler(CellSampler):
    """Matched pairs of cells, in batches of nearly the same size.

    An epoch takes ``n_drawn`` pairs, drawn anew for each; all if ``None``.
    """

    def __init__(
        self, pairs: CellPairs, *, n_drawn: int | None = None, batch_size: int, shuffle: bool, seed: int
    ) -> None:
        super().__init__(np.arange(len(pairs.source)), batch_size=batch_size, shuffle=shuffle, seed=seed)
        self.pairs, self._n = pairs, n_drawn

    @property
    def _n_drawn(self) -> int:
        return len(self._cells) if self._n is None else min(self._n, len(self._cells))

    def _batches(self, cells: list[NDArray[np.int64]]) -> Iterator[CellBatch]:
        return (CellBatch(self.pairs.source[pairs], self.pairs.target[pairs]) for pairs in cells)


class ControlSampler(Sampler[CellBatch]):
    """Perturbed cells grouped by condition, and controls drawn for them, anew in every epoch.

    The cells of a condition are divided into parts of nearly the same size, at most ``n_cells``, so that every cell is
    seen once per epoch and none is dropped, however few its condition has. At most ``n_parts`` parts make a batch, in
    which every part is padded to ``n_cells``. Controls are drawn from the stratum (batch and context) of the perturbed
    cell that they accompany, or from all controls if its stratum has none. Equal seeds give equal batches in every
    process of a distributed run. Without a control cell there is a ValueError.
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
            msg = "There is no control cell to accompany the perturbed cells."
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

    def __iter__(self) -> Iterator[CellBatch]:
        rng = np.random.default_rng([self.seed, self._epoch])
        if self.shuffle:
            self._epoch += 1
        parts = list(self._parts(rng))
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

    def _batch(self, parts: list[tuple[int, NDArray[np.int64]]], rng: np.random.Generator) -> CellBatch:
        """Cells of a batch, with a control for every place, padding included."""
        perturbed = np.full((len(parts), self.n_cells), -1, dtype=np.int64)
        controls = np.empty((len(parts), self.n_cells), dtype=np.int64)
        for row, (_, rows) in enumerate(parts):
            perturbed[row, : len(rows)] = self._cells[rows]
            # Padding takes the strata of the part in turn: the controls keep its composition.
            strata = np.resize(self._strata[rows], self.n_cells)
            for stratum in np.unique(strata):
                places = np.flatnonzero(strata == stratum)
                pool = self._pools[stratum]
                controls[row, places] = rng.choice(pool, size=len(places), replace=len(pool) < len(places))
        conditions = np.array([condition for condition, _ in parts], dtype=np.int64)
        return CellBatch(controls.reshape(-1), perturbed.reshape(-1), conditions)
