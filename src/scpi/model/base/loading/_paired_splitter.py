"""Division of the cells of a screen into batches of pairs."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader

from scpi.model.base._constants import KEYS
from scpi.model.base.loading._cell_data import BatchSampler
from scpi.model.base.loading._cell_splitter import ScreenCells
from scpi.model.base.loading._paired_cells import PairedCells
from scpi.model.base.loading._screen_splitter import ScreenSplitter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

    from scpi.model.base.loading._transport import CellPairs


class PairedSplitter(ScreenSplitter):
    """Splits cells and serves batches of pairs of them, as :class:`PairedCells` has them.

    Training and validation cells are paired among themselves. Subclasses say in ``_pairs`` how, and check at the end of
    ``__init__`` that there are any.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    batch_size
        Most pairs in a batch.
    **kwargs
        As of :class:`ScreenSplitter`.
    """

    def __init__(self, adata_manager: AnnDataManager, *, batch_size: int = 128, **kwargs: Any) -> None:
        super().__init__(adata_manager, **kwargs)
        self.batch_size = batch_size
        self._expression = adata_manager.get_from_registry(KEYS.X)
        self._cells = ScreenCells(adata_manager, self.design)

    @abstractmethod
    def _pairs(self, cells: NDArray[np.int64]) -> CellPairs:
        """Pairs of some cells."""

    @cached_property
    def train_pairs(self) -> CellPairs:
        """Pairs of training cells."""
        return self._pairs(self.train_idx)

    @cached_property
    def val_pairs(self) -> CellPairs:
        """Pairs of validation cells."""
        return self._pairs(self.val_idx)

    @property
    def trained_conditions(self) -> NDArray[np.bool_]:
        """Whether each condition of the data is that of a second cell of a training pair, (n_conditions,)."""
        return np.isin(np.arange(len(self.design)), self.conditions_of(self.train_pairs.target))

    def _check_pairs(self) -> None:
        """Training needs pairs, and treated cells among them."""
        target = self.train_pairs.target
        if len(target) < 2 or self.is_control(target).all():
            msg = (
                "No context has control and treated cells in the training set, so that none can be paired by optimal "
                "transport: training needs a context with both."
            )
            raise ValueError(msg)

    def _sampler(self, pairs: CellPairs, *, shuffle: bool) -> BatchSampler:
        """Which pairs make a batch."""
        positions = np.arange(len(pairs.source))
        return BatchSampler(positions, batch_size=self.batch_size, shuffle=shuffle, seed=self.seed)

    def _loader_of(self, pairs: CellPairs, *, shuffle: bool) -> DataLoader[dict[str, Tensor]]:
        dataset, sampler = PairedCells(self._cells, pairs), self._sampler(pairs, shuffle=shuffle)
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Batches of pairs of training cells, others in every epoch."""
        return self._loader_of(self.train_pairs, shuffle=True)

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]] | list[Any]:
        """Batches of pairs of validation cells, the same in every epoch."""
        return self._loader_of(self.val_pairs, shuffle=False) if len(self.val_pairs.source) > 1 else []
