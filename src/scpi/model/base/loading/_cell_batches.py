"""Batches of cells for a trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._screen._checks import as_indices
from scpi._screen._stored_rows import read_ahead
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._dataset import CellBatch, CellDataset
from scpi.model.base.training._presets import at_least

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import torch
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._model_base import ModelBase

_BATCH = 2048


def cell_batches(
    model: ModelBase,
    adata: AnnData | MuData,
    indices: Sequence[int] | NDArray[np.int64] | None,
    *,
    batch_size: int | None,
    device: torch.device,
) -> Iterator[dict[str, Tensor]]:
    """Yield dense expression of cells, with their size factor, batch and covariates if the model registers them.

    ``adata`` must be validated against the model. All cells are read if ``indices`` is ``None``, at most ``batch_size``
    at a time (a suitable default if ``None``), and moved to the device.
    """
    cells = as_indices(indices, adata.n_obs)
    manager = model.get_anndata_manager(adata, required=True)
    fields = KEYS.SIZE_FACTOR, KEYS.BATCH, KEYS.CATEGORICAL, KEYS.CONTINUOUS
    dataset = CellDataset(manager, fields=fields)
    step = _BATCH if batch_size is None else at_least(batch_size, 1, "batch_size")
    for chosen in read_ahead(dataset.x, (cells[start : start + step] for start in range(0, max(len(cells), 1), step))):
        batch = dataset[CellBatch(chosen)]
        yield {key: value.to(device) for key, value in batch.items()}
