"""Batches with as many control as treated cells."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from scpi._screen._stored_rows import StoredRows, shuffled_nearby
from scpi.model.base.loading._dataset import CellBatch
from scpi.model.base.loading._samplers import read_together
from scpi.model.base.loading._sampling import N_TOGETHER, single_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scpi.model.base.loading._splitter import CellSplitter


class DomainSampler(Sampler[CellBatch]):
    """Draws the cells of a step: controls and treated ones for the discriminators, then others for the generators.

    Cells are taken in random order, and those of the smaller domain repeatedly, so that every cell of the larger domain
    is used about once per epoch. Each half of a step has ``batch_size`` cells of each domain.
    """

    def __init__(self, control: NDArray[np.int64], treated: NDArray[np.int64], *, batch_size: int, seed: int) -> None:
        self._domains, self._batch_size, self._seed = (control, treated), batch_size, seed
        self._epoch = 0

    def __len__(self) -> int:
        # Half of the cells of a step are for each of its halves
        return max(1, -(-max(map(len, self._domains)) // (2 * self._batch_size)))

    def __iter__(self) -> Iterator[CellBatch]:
        rng = np.random.default_rng([self._seed, self._epoch])
        self._epoch += 1
        shape = (len(self), 2, self._batch_size)
        # Steps x halves x domains x cells
        order = np.stack([self._cycle(cells, rng)[: int(np.prod(shape))].reshape(shape) for cells in self._domains], 2)
        yield from self._batches(order.reshape(len(self), -1))

    def _cycle(self, cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Cells in one random order after the other, until there are enough."""
        n = len(self) * 2 * self._batch_size
        return np.concatenate([self._shuffled(cells, rng) for _ in range(-(-n // len(cells)))])

    def _shuffled(self, cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(cells)

    def _batches(self, cells: NDArray[np.int64]) -> Iterator[CellBatch]:
        return map(CellBatch, cells)


class StoredDomainSampler(DomainSampler):
    """Cells of both domains that are not in memory: about ``n_together`` of some runs of neighbours are read at once."""

    def __init__(self, *domains: NDArray[np.int64], run: int, n_together: int, batch_size: int, seed: int) -> None:
        super().__init__(*domains, batch_size=batch_size, seed=seed)
        self._run, self._n_steps = run, max(1, n_together // (4 * batch_size))

    def _shuffled(self, cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        n_cells = 2 * self._batch_size * self._n_steps
        return shuffled_nearby(np.sort(cells), rng, run=self._run, ends=np.arange(n_cells, len(cells), n_cells))

    def _batches(self, cells: NDArray[np.int64]) -> Iterator[CellBatch]:
        for start in range(0, len(cells), self._n_steps):
            yield from read_together(map(CellBatch, cells[start : start + self._n_steps]))


def both_domains(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, batch_size: int = 64
) -> Sampler[CellBatch] | None:
    """Training cells of both domains side by side, and single validation cells.

    A training batch has four equal parts: control and treated cells for the discriminators, and control and treated
    cells for the generators. Cells at dose 0 are controls. It is an error if a domain has no training cell. Cells that are not in
    memory are read in runs of neighbours.
    """
    if not train:
        return single_cells(splitter, cells, train=False, batch_size=batch_size)
    is_treated = splitter.design[splitter.conditions_of(cells)].any(1)
    if is_treated.all() or not is_treated.any():
        msg = "Every perturbed cell of the training set has dose 0: there are no conditions to transfer cells to."
        raise ValueError(msg)
    x = splitter.dataset.x
    sampler = (
        partial(StoredDomainSampler, run=x.run, n_together=N_TOGETHER) if isinstance(x, StoredRows) else DomainSampler
    )
    return sampler(cells[~is_treated], cells[is_treated], batch_size=batch_size, seed=splitter.seed)
