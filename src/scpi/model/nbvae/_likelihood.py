"""How well a variational autoencoder describes cells, by the terms of its objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from scpi._docs import fill
from scpi.model.base.training._seed import seeded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

Term = Literal["reconstruction_loss", "kl_local"]


class LikelihoodMixin:
    """The evidence lower bound and the reconstruction error, with the names and the signs of scvi-tools."""

    @fill
    def get_elbo(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
        return_mean: bool = True,
        seed: int = 0,
    ) -> float | NDArray[np.float32]:
        """Compute the evidence lower bound (ELBO) of the counts of cells; higher is better.

        One latent vector is drawn per cell.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(batch_size)s
        return_mean
            Whether to return the mean over cells instead of one value per cell.
        seed
            Seed of the draws.

        Returns
        -------
        In nats per cell: a number, or an array of shape (n_cells,).
        """
        terms = self._terms(adata, indices, batch_size, seed)
        elbo = -(terms["reconstruction_loss"] + terms["kl_local"])
        return float(elbo.mean()) if return_mean else elbo

    @fill
    def get_reconstruction_error(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        batch_size: int | None = None,
        return_mean: bool = True,
        seed: int = 0,
    ) -> dict[str, float | NDArray[np.float32]]:
        """Compute the negative log-likelihood of the counts of cells, given their latent vectors; lower is better.

        One latent vector is drawn per cell.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(batch_size)s
        return_mean
            Whether to return the mean over cells instead of one value per cell.
        seed
            Seed of the draws.

        Returns
        -------
        ``{"reconstruction_loss": ...}`` in nats per cell: a number, or an array of shape (n_cells,).
        """
        error = self._terms(adata, indices, batch_size, seed)["reconstruction_loss"]
        return {"reconstruction_loss": float(error.mean()) if return_mean else error}

    @torch.inference_mode()
    def _terms(
        self: Any,
        adata: AnnData | MuData | None,
        indices: Sequence[int] | NDArray[np.int64] | None,
        batch_size: int | None,
        seed: int,
    ) -> dict[Term, NDArray[np.float32]]:
        """Terms of the objective of each cell."""
        data = self._validate_anndata(adata)
        found: dict[Term, list[NDArray[np.float32]]] = {"reconstruction_loss": [], "kl_local": []}
        with seeded(seed):
            for tensors in self._batches(data, self._chosen(data, indices), batch_size=batch_size):
                loss = self.module(tensors)[2]
                for name, parts in found.items():
                    parts.append(next(iter(getattr(loss, name).values())).cpu().numpy())
        return {name: np.concatenate(parts) for name, parts in found.items()}
