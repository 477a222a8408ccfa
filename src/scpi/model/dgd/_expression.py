"""Expression of cells by the Deep Generative Decoder: representations with their spread, and the decoder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from scpi._docs import fill
from scpi.model.base.generation._rates import Rates
from scpi.model.base.posterior._expression import Asked, ExpressionMixin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.generation._generation import Decoder
    from scpi.model.base.posterior._expression import Latent
    from scpi.model.dgd._new_cells import Unseen

    Indices = Sequence[int] | NDArray[np.int64] | None


class DGDExpressionMixin(ExpressionMixin):
    """Expression from representations, which are fitted to new cells."""

    _represent: Any

    @fill
    def get_normalized_expression(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Indices = None,
        transform_batch: str | Sequence[str | None] | None = None,
        gene_list: str | Sequence[str] | None = None,
        library_size: float | Literal["latent"] = 1.0,
        n_samples: int | None = None,
        n_samples_overall: int | None = None,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
        return_mean: bool = True,
        return_numpy: bool = False,
        rng: int | np.random.Generator | None = 0,
        **covariates: Any,
    ) -> pd.DataFrame | NDArray[np.float32]:
        """Decode denoised expression from the representations, as fractions of the counts of a cell.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(normalized_transform_batch)s
        n_steps, unseen
            As in :meth:`get_latent_representation`.
        %(batch_size)s
        %(normalized_return_mean)s

        %(normalized_expression_Returns)s
        """
        self._check_if_trained(warn=False)
        data = self._validated(adata)
        latent_of = partial(self._latent_of, n_steps=n_steps, unseen=unseen, batch_size=batch_size)
        asked = Asked(transform_batch, gene_list, library_size, n_samples, n_samples_overall)
        asked = asked._replace(batch_size=self._batch_size(batch_size), return_mean=return_mean)
        asked = asked._replace(return_numpy=return_numpy, rng=rng, covariates=covariates)
        return self._normalized(data, self._chosen_cells(data, indices), latent_of, asked)

    @torch.no_grad()
    def _latent_of(
        self,
        data: AnnData | MuData,
        cells: NDArray[np.int64],
        *,
        n_steps: int | None = None,
        unseen: Unseen = "average",
        batch_size: int | None = None,
    ) -> Latent:
        z, rows_of_unseen = self._represent(data, cells, n_steps, unseen, batch_size)
        mean, log_sd = z.numpy(), self.module.log_sd
        sd = np.zeros_like(mean) if log_sd is None else np.broadcast_to(log_sd.exp().cpu().numpy(), mean.shape)
        return mean, sd, partial(self._rates, unseen=rows_of_unseen)

    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mean, sd, _ = self._latent_of(adata, cells)
        return mean, sd

    def _decoder(self, adata: AnnData | MuData) -> Decoder:
        return self._rates

    def _rates(self, z: Tensor, codes: Tensor, values: Tensor, unseen: Sequence[Tensor] | None = None) -> Rates:
        code = self.module.covariates(codes, values, unseen)
        return Rates(torch.softmax(self.module.decode(z, code), dim=1), self.module.theta)

    def _count_means(self, z: Tensor, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        decoded = self.module.decode(z, self.module.code(tensors))
        return (decoded + self.module.log_depth(tensors)).exp(), self.module.theta
