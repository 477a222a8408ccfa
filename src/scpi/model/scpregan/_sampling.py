"""Batches with as many control as treated cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

from scpi.model.base.loading._dataset import CellBatch
from scpi.model.base.loading._sampling import single_cells

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
        order = np.stack([_cycle(cells, int(np.prod(shape)), rng).reshape(shape) for cells in self._domains], axis=2)
        yield from map(CellBatch, order.reshape(len(self), -1))


def _cycle(cells: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cells in one random order after the other, until there are enough."""
    return np.concatenate([rng.permutation(cells) for _ in range(-(-n // len(cells)))])[:n]


def both_domains(
    splitter: CellSplitter, cells: NDArray[np.int64], *, train: bool, batch_size: int = 64
) -> Sampler[CellBatch] | None:
    """Training cells of both domains side by side, and single validation cells.

    A training batch has four equal parts: control and treated cells for the discriminators, and control and treated
    cells for the generators. Cells at dose 0 are controls. It is an error if a domain has no training cell.
    """
    if not train:
        return single_cells(splitter, cells, train=False, batch_size=batch_size)
    is_treated = splitter.design[splitter.conditions_of(cells)].any(1)
    if is_treated.all() or not is_treated.any():
        msg = "Every perturbed cell of the training set has dose 0: there is nothing to transfer cells to."
        raise ValueError(msg)
    return DomainSampler(cells[~is_treated], cells[is_treated], batch_size=batch_size, seed=splitter.seed)
