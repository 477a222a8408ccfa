"""Batches of single cells of a screen, control and perturbed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import DataLoader, Dataset

from scpi._screen._matrix import dense_rows
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._cell_data import BatchSampler
from scpi.model.base.loading._screen_splitter import ScreenSplitter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

# Values below which the expression is kept dense: 1 GB of float32
_DENSE = 1 << 28
# What is known of each cell, where it is registered
_FIELDS = {KEYS.CONTEXT: np.int64, KEYS.BATCH: np.int64, KEYS.CONDITION: np.int64, KEYS.SIZE_FACTOR: np.float32}


class ScreenCells(Dataset[dict[str, "Tensor"]]):
    """Cells of a screen, as dense batches.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    design
        Doses of the single perturbations in each condition, (n_conditions, n_perturbations).
    """

    def __init__(self, adata_manager: AnnDataManager, design: NDArray[np.float32]) -> None:
        x = adata_manager.get_from_registry(KEYS.X)
        # Rows of a matrix stored by columns cost as much as the whole of it.
        self._x = x.tocsr() if sparse.issparse(x) else x
        if x.shape[0] * x.shape[1] <= _DENSE:
            self._x = dense_rows(self._x, np.arange(x.shape[0]))
        self._values = {
            key: torch.from_numpy(np.asarray(adata_manager.get_from_registry(key)).reshape(-1, 1).astype(dtype))
            for key, dtype in _FIELDS.items()
            if key in adata_manager.data_registry
        }
        self._design = torch.from_numpy(design)

    def __getitem__(self, index: NDArray[np.int64]) -> dict[str, Tensor]:
        where = torch.from_numpy(index)
        tensors = {key: values[where] for key, values in self._values.items()}
        x = torch.from_numpy(dense_rows(self._x, index))
        return tensors | {KEYS.X: x, KEYS.INDEX: where, KEYS.DESIGN: self._design[tensors[KEYS.CONDITION].squeeze(1)]}


class CellSplitter(ScreenSplitter):
    """Splits cells and serves batches of them, in which all conditions are mixed.

    A batch has the keys of :data:`KEYS`: expression, position of the cell, code of its condition, doses of the single
    perturbations, and context, batch and size factor where they are registered, each (n_cells, 1).

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    batch_size
        Most cells in a batch. Batches have nearly the same size, so that none is left with a single cell.
    **kwargs
        As of :class:`ScreenSplitter`.
    """

    def __init__(self, adata_manager: AnnDataManager, *, batch_size: int = 128, **kwargs: Any) -> None:
        super().__init__(adata_manager, **kwargs)
        self.batch_size = batch_size
        self._dataset = ScreenCells(adata_manager, self.design)

    def _loader(self, cells: NDArray[np.int64], *, shuffle: bool) -> DataLoader[dict[str, Tensor]] | None:
        if len(cells) < 2:
            return None
        sampler = BatchSampler(cells, batch_size=self.batch_size, shuffle=shuffle, seed=self.seed)
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(self._dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)
