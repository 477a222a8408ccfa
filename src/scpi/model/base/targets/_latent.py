"""Latent units of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from scpi._docs import fill
from scpi._screen._checks import as_indices
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._cell_batches import cell_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base._model_base import ModelBase as Host
else:
    Host = object


class LatentMixin(Host):
    """Latent units of a network that encodes cells one by one.

    Subclasses build a ``module`` with ``encode``, or implement ``_encode``, which returns the units of cells. They
    implement ``_read`` if the input of the network is not the registered expression.
    """

    @fill
    @torch.inference_mode()
    def get_latent_representation(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the posterior means of the latent units of cells.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(batch_size)s

        Returns
        -------
        Array of shape (n_cells, n_latent).
        """
        self._check_if_trained(warn=False)
        adata = self._validate_anndata(adata)
        return self._latent_means(adata, self._chosen(adata, indices), batch_size)

    def _latent_means(
        self, adata: AnnData | MuData, cells: NDArray[np.int64], batch_size: int | None
    ) -> NDArray[np.float32]:
        """Latent units of some cells."""
        inputs = self._inputs(adata, cells, batch_size=batch_size)
        return np.concatenate([self._encode(x).cpu().numpy() for x in inputs])

    def _encode(self, x: Tensor) -> Tensor:
        """Latent units from the input of the network, differentiable."""
        units: Tensor = self.module.encode(x)
        return units

    def _read(self, x: Tensor, size_factor: Tensor | None = None) -> Tensor:
        """Input of the network, from the registered expression."""
        return x

    def _read_cells(self, tensors: dict[str, Tensor]) -> Tensor:
        """Input of the network, from registered values."""
        return self._read(tensors[KEYS.X], tensors.get(KEYS.SIZE_FACTOR))

    def _units(self) -> list[str]:
        """Names of the latent units."""
        return unit_names(self.preset_.n_latent)

    def _batches(
        self,
        adata: AnnData | MuData,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        *,
        batch_size: int | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Registered values of cells and inputs of the network, in batches; sets evaluation mode."""
        self.module.eval()
        for tensors in cell_batches(self, adata, indices, batch_size=batch_size, device=self.module.device):
            yield tensors | {KEYS.INPUT: self._read_cells(tensors)}

    def _inputs(
        self,
        adata: AnnData | MuData,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        *,
        batch_size: int | None = None,
    ) -> Iterator[Tensor]:
        """Inputs of the network for cells, in batches."""
        for tensors in self._batches(adata, indices, batch_size=batch_size):
            yield tensors[KEYS.INPUT]

    def _chosen(self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Positions of the requested cells."""
        return as_indices(indices, adata.n_obs)


def unit_names(n: int) -> list[str]:
    """Names of latent units."""
    return [f"latent_{index}" for index in range(n)]
