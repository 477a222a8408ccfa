"""Registered cells as dense batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Dataset

from scpi._minified import check_has_counts
from scpi._screen._matrix import dense_rows
from scpi._screen._stored_rows import by_rows
from scpi.model.base._constants import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from scvi.data import AnnDataManager
    from torch import Tensor

    from scpi.model.base.loading._input_transform import InputTransform

_BLOCK = 2048
_CELL_FIELDS = {
    KEYS.CONTEXT: np.int64,
    KEYS.BATCH: np.int64,
    KEYS.SIZE_FACTOR: np.float32,
    KEYS.LABELS: np.int64,
    KEYS.WEIGHT: np.float32,
    KEYS.CONDITION: np.int64,
    KEYS.CATEGORICAL: np.int64,
    KEYS.CONTINUOUS: np.float32,
}


class CellBatch(NamedTuple):
    """Cells of one batch, as positions in the data."""

    cells: NDArray[np.int64]
    """Cells that the network reads, (n_cells,)."""
    perturbed: NDArray[np.int64] | None = None
    """Cells with which they are compared, or which are the decoding target, (n_cells,); -1 for padding."""
    conditions: NDArray[np.int64] | None = None
    """Codes of the conditions, (n_conditions,), if the perturbed cells are parts of equal length, one per condition."""
    together: NDArray[np.int64] | None = None
    """Cells of this batch and of later ones, in ascending order, to read at once if they are not in memory."""


class CellDataset(Dataset[dict[str, "Tensor"]]):
    """Registered cells; only the cells of a batch are made dense.

    An item is a dictionary with the names in :data:`~scpi.model.base._constants.KEYS` and the registered values:
    expression (``X``), position (``INDEX``), context, batch, size factor, label and weight of the cells, (n_cells, 1);
    their covariates, (n_cells, n_covariates); and the code of their condition, (n_cells,), with its doses (``DESIGN``).
    With an input transform, the item contains ``INPUT``, and ``X`` only with ``counts``.

    For a batch with perturbed cells, it also contains their expression (``PERTURBED``; zeros for padding) and size
    factor (``PERTURBED_SIZE_FACTOR``; 1 for padding), and condition and doses are those of the perturbed cells. If a
    batch consists of parts, condition and doses have one row per part, and ``WEIGHT``, (n_conditions, n_cells), is 0
    for padding.

    ``fields`` are the fields to read besides the expression, all if ``None``; ``design`` holds the doses of the single
    perturbations in each condition, (n_conditions, n_perturbations).
    """

    def __init__(
        self,
        manager: AnnDataManager,
        *,
        fields: Sequence[str] | None = None,
        design: NDArray[np.float32] | None = None,
        transform: InputTransform | None = None,
        counts: bool = True,
    ) -> None:
        check_has_counts(manager.adata)
        x = manager.get_from_registry(KEYS.X)
        # Reading rows of a column-wise matrix costs as much as reading all of it
        self.x = by_rows(x.tocsr() if sparse.issparse(x) else x)
        self._transform, self._counts = transform, counts
        self._design = None if design is None else torch.from_numpy(design)
        self._values: dict[str, Tensor] = {}
        for key, dtype in _CELL_FIELDS.items():
            if key in manager.data_registry and (fields is None or key in fields):
                values = np.asarray(manager.get_from_registry(key)).reshape(len(self), -1)
                self._values[key] = torch.from_numpy(values.astype(dtype))

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def __getitem__(self, batch: CellBatch) -> dict[str, Tensor]:
        if batch.together is not None:
            self.x.hold(batch.together)
        where = torch.from_numpy(batch.cells)
        item = {key: values[where] for key, values in self._values.items()} | {KEYS.INDEX: where}
        item |= self._expression(batch.cells)
        code = item.pop(KEYS.CONDITION, None)
        if batch.perturbed is not None:
            is_cell = torch.from_numpy(batch.perturbed >= 0)
            # Padding has the position -1: the last cell is read, and overwritten
            place = torch.from_numpy(batch.perturbed)
            if np.array_equal(batch.cells, batch.perturbed):
                item[KEYS.PERTURBED] = item[KEYS.X]
            else:
                item[KEYS.PERTURBED] = self._padded(batch.perturbed)
            if KEYS.SIZE_FACTOR in item:
                size = self._values[KEYS.SIZE_FACTOR][place]
                item[KEYS.PERTURBED_SIZE_FACTOR] = torch.where(is_cell[:, None], size, 1.0)
            code = self._values[KEYS.CONDITION][place]
            if batch.conditions is not None:
                code = torch.from_numpy(batch.conditions)
                item[KEYS.WEIGHT] = is_cell.reshape(len(code), -1).float()
        if code is not None:
            item[KEYS.CONDITION] = code.reshape(-1)
            if self._design is not None:
                item[KEYS.DESIGN] = self._design[code.reshape(-1)]
        return item

    def rows(self, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor | None]:
        """Expression and, if registered, size factors of cells."""
        size = self._values.get(KEYS.SIZE_FACTOR)
        return torch.from_numpy(dense_rows(self.x, cells)), None if size is None else size[torch.from_numpy(cells)]

    def inputs(self, cells: NDArray[np.int64]) -> Tensor:
        """Input of the network for some cells."""
        return self._transformed(*self.cells(cells))

    def cells(self, cells: NDArray[np.int64]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As :meth:`rows`, with the batches of the cells if registered."""
        batch = self._values.get(KEYS.BATCH)
        return *self.rows(cells), None if batch is None else batch[torch.from_numpy(cells)]

    def _expression(self, cells: NDArray[np.int64]) -> dict[str, Tensor]:
        """Expression of some cells, their input, or both."""
        if self._transform is None:
            return {KEYS.X: self.rows(cells)[0]}
        if not self._counts:
            return {KEYS.INPUT: self.inputs(cells)}
        x, *of_cells = self.cells(cells)
        return {KEYS.X: x, KEYS.INPUT: self._transformed(x, *of_cells)}

    def _transformed(self, *cells: Tensor | None) -> Tensor:
        """Input of some cells, from their expression, size factors and batches."""
        assert self._transform is not None
        # The transform may have moved to another device with the network
        device = self._transform.rate.device
        with torch.no_grad():
            return self._transform(*(None if part is None else part.to(device) for part in cells)).cpu()

    def _padded(self, cells: NDArray[np.int64]) -> Tensor:
        """Expression of some cells, zeros for padding."""
        is_cell = cells >= 0
        if is_cell.all():
            return torch.from_numpy(dense_rows(self.x, cells))
        x = torch.zeros(len(cells), self.x.shape[1])
        x[torch.from_numpy(is_cell)] = torch.from_numpy(dense_rows(self.x, cells[is_cell]))
        return x


def blocks(cells: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cells, in blocks of a few thousand."""
    for start in range(0, len(cells), _BLOCK):
        yield cells[start : start + _BLOCK]
