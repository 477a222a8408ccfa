"""Batches with as many control as treated cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader, Sampler

from scpi.model.base.loading._cell_splitter import CellSplitter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor


def steps_of_epoch(n_control: int, n_treated: int, batch_size: int) -> int:
    """Steps in which every cell of the larger arm is used about once: half of them for each half of a step."""
    return max(1, -(-max(n_control, n_treated) // (2 * batch_size)))


class ArmSampler(Sampler["NDArray[np.int64]"]):
    """Draws the cells of a step: controls and treated ones for the discriminators, then others for the generators.

    Cells are taken in random order, and those of the smaller arm again and again.

    Parameters
    ----------
    control, treated
        Positions of the cells of each arm.
    batch_size
        Cells of each arm in each half of a step.
    seed
        Seed of the order.
    """

    def __init__(self, control: NDArray[np.int64], treated: NDArray[np.int64], *, batch_size: int, seed: int) -> None:
        self._arms, self._batch_size, self._seed = (control, treated), batch_size, seed
        self._epoch = 0

    def __len__(self) -> int:
        return steps_of_epoch(len(self._arms[0]), len(self._arms[1]), self._batch_size)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        rng = np.random.default_rng([self._seed, self._epoch])
        self._epoch += 1
        shape = (len(self), 2, self._batch_size)
        # Steps x halves x arms x cells
        order = np.stack([_cycle(arm, int(np.prod(shape)), rng).reshape(shape) for arm in self._arms], axis=2)
        yield from order.reshape(len(self), -1)


def _cycle(cells: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cells in one random order after the other, until there are enough."""
    return np.concatenate([rng.permutation(cells) for _ in range(-(-n // len(cells)))])[:n]


class ArmSplitter(CellSplitter):
    """Splits cells, and serves training cells of both arms side by side and validation cells one by one.

    A training batch has four equal parts: control and treated cells for the discriminators, and control and treated
    cells for the generators. Cells at dose 0 are controls.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    batch_size
        Cells of each arm in each half of a step.
    **kwargs
        As of :class:`CellSplitter`.

    Raises
    ------
    ValueError
        If one of the arms has no training cell.
    """

    def __init__(self, adata_manager: AnnDataManager, *, batch_size: int = 64, **kwargs: Any) -> None:
        super().__init__(adata_manager, batch_size=batch_size, **kwargs)
        is_treated = self.design[self.conditions_of(self.train_idx)].any(1)
        self._arms = self.train_idx[~is_treated], self.train_idx[is_treated]
        if not all(map(len, self._arms)):
            msg = "Every perturbed cell of the training set has dose 0: there is nothing to transfer cells to."
            raise ValueError(msg)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of the training cells, others in every epoch."""
        sampler = ArmSampler(*self._arms, batch_size=self.batch_size, seed=self.seed)
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(self._dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)
