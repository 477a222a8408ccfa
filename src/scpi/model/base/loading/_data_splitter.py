"""Lightning data module of perturbation models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import DataLoader, Dataset

from scpi._screen._matrix import dense_rows
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._pairing import PairedBatch, PairedBatchSampler
from scpi.model.base.loading._screen_splitter import ScreenSplitter

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor


class PairedDataset(Dataset[dict[str, "Tensor"]]):
    """Turns a :class:`PairedBatch` into tensors; only the cells of the batch are made dense.

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
        registered = adata_manager.data_registry
        self._cell_values = {
            key: np.asarray(adata_manager.get_from_registry(key)).reshape(-1, 1)
            for key in (KEYS.BATCH, KEYS.SIZE_FACTOR)
            if key in registered
        }
        self._design = design

    def __getitem__(self, batch: PairedBatch) -> dict[str, Tensor]:
        controls = batch.controls.reshape(-1)
        perturbed = batch.perturbed.reshape(-1)
        real = perturbed >= 0
        x_perturbed = torch.zeros(len(perturbed), self._x.shape[1])
        x_perturbed[torch.from_numpy(real)] = self._rows(perturbed[real])
        tensors = {
            KEYS.X: self._rows(controls),
            KEYS.PERTURBED: x_perturbed,
            KEYS.WEIGHT: torch.from_numpy(real.reshape(batch.perturbed.shape).astype(np.float32)),
            KEYS.DESIGN: torch.from_numpy(self._design[batch.conditions]),
        }
        if KEYS.BATCH in self._cell_values:
            tensors[KEYS.BATCH] = torch.from_numpy(self._cell_values[KEYS.BATCH][controls].astype(np.int64))
        if KEYS.SIZE_FACTOR in self._cell_values:
            size = self._cell_values[KEYS.SIZE_FACTOR].astype(np.float32)
            tensors[KEYS.SIZE_FACTOR] = torch.from_numpy(size[controls])
            tensors[KEYS.PERTURBED_SIZE_FACTOR] = torch.from_numpy(np.where(real[:, None], size[perturbed], 1.0))
        return tensors

    def _rows(self, index: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(dense_rows(self._x, index))


class PerturbationDataSplitter(ScreenSplitter):
    """Splits cells and serves paired batches.

    Parameters
    ----------
    adata_manager
        Manager of the registered data.
    n_cells
        Most cells of a condition in a part of a batch.
    n_parts
        Parts in a batch, each of one condition.
    **kwargs
        As of :class:`ScreenSplitter`.
    """

    def __init__(self, adata_manager: AnnDataManager, *, n_cells: int = 32, n_parts: int = 8, **kwargs: Any) -> None:
        super().__init__(adata_manager, **kwargs)
        self.n_cells, self.n_parts = n_cells, n_parts
        self._dataset = PairedDataset(adata_manager, self.design)

    def _loader(self, cells: NDArray[np.int64], *, shuffle: bool) -> DataLoader[dict[str, Tensor]] | None:
        perturbed, controls = cells[~self._is_control[cells]], cells[self._is_control[cells]]
        if len(perturbed) == 0 or len(controls) == 0:
            return None
        sampler = PairedBatchSampler(
            perturbed,
            self._codes[perturbed].astype(np.int64),
            controls,
            perturbed_strata=self._strata[perturbed],
            control_strata=self._strata[controls],
            n_cells=self.n_cells,
            n_parts=self.n_parts,
            shuffle=shuffle,
            seed=self.seed,
        )
        # The sampler yields whole batches, so the loader must not batch again.
        return DataLoader(self._dataset, sampler=sampler, batch_size=None, **self.data_loader_kwargs)
