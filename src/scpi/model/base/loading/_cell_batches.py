"""Cells that a trained model reads, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from scpi._screen._checks import as_indices
from scpi._screen._matrix import dense_rows
from scpi.model.base._constants import KEYS
from scpi.model.base.training._presets import at_least

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._model_base import ModelBase

_BATCH = 2048
_FIELDS = {KEYS.SIZE_FACTOR: np.float32, KEYS.BATCH: np.int64}


def cell_batches(
    model: ModelBase,
    adata: AnnData | MuData,
    indices: Sequence[int] | NDArray[np.int64] | None,
    *,
    batch_size: int | None,
    device: torch.device,
) -> Iterator[dict[str, Tensor]]:
    """Counts of cells, dense, with their size factor and batch where the model registers them.

    Parameters
    ----------
    model
        The model.
    adata
        Data that was validated against it.
    indices
        Cells to read; all if `None`.
    batch_size
        Most cells at a time; a number that suits most data if `None`.
    device
        Where to put them.
    """
    cells = np.arange(adata.n_obs) if indices is None else as_indices(indices, adata.n_obs)
    x = model._field(adata, KEYS.X)
    x = x.tocsr() if sparse.issparse(x) else x
    values = {
        key: np.asarray(model._field(adata, key)).reshape(-1).astype(dtype)
        for key, dtype in _FIELDS.items()
        if model._has_field(key)
    }
    step = _BATCH if batch_size is None else at_least(batch_size, 1, "batch_size")
    for start in range(0, max(len(cells), 1), step):
        part = cells[start : start + step]
        batch = {KEYS.X: dense_rows(x, part)} | {key: value[part] for key, value in values.items()}
        yield {key: torch.from_numpy(value).to(device) for key, value in batch.items()}
