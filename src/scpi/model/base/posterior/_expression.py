"""Normalised expression of cells, at the mean of their latent units or for draws from the posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch

from scpi._docs import fill
from scpi._rng import as_generator
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.model.base._constants import KEYS
from scpi.model.base.training._presets import at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base._model_base import ModelBase
    from scpi.model.base.generation._generation import Decoder
    from scpi.model.base.generation._mixin import GenerationMixin

    class Host(GenerationMixin, ModelBase):
        """Class that the mixin extends."""

    # Means and standard deviations of the latent units of some cells, and their decoder
    Latent = tuple[NDArray[np.float32], NDArray[np.float32], Decoder]
else:
    Host = object


class Asked(NamedTuple):
    """Requested expression."""

    transform_batch: Any = None
    genes: Sequence[str] | None = None
    library_size: float | Literal["latent"] = 1.0
    n_samples: int | None = None
    n_samples_overall: int | None = None
    batch_size: int | None = None
    return_mean: bool = True
    return_numpy: bool = False
    rng: int | np.random.Generator | None = 0
    covariates: Mapping[str, Any] = {}


class ExpressionMixin(Host):
    """Denoised expression of cells under any covariates, with the arguments of scvi-tools.

    It extends :class:`~scpi.model.base.GenerationMixin`, whose decoder and posterior it uses.
    """

    @fill
    def get_normalized_expression(
        self,
        adata: AnnData | MuData | None = None,
        *,
        indices: Sequence[int] | NDArray[np.int64] | None = None,
        transform_batch: str | Sequence[str | None] | None = None,
        gene_list: str | Sequence[str] | None = None,
        library_size: float | Literal["latent"] = 1.0,
        n_samples: int | None = None,
        n_samples_overall: int | None = None,
        batch_size: int | None = None,
        return_mean: bool = True,
        return_numpy: bool = False,
        rng: int | np.random.Generator | None = 0,
        **covariates: Any,
    ) -> pd.DataFrame | NDArray[np.float32]:
        """Decode denoised expression from the latent units of cells, as fractions of their counts.

        Parameters
        ----------
        %(cells_adata)s
        %(indices)s
        %(normalized_transform_batch)s
        %(batch_size)s
        %(normalized_return_mean)s

        %(normalized_expression_Returns)s
        """
        asked = Asked(transform_batch, gene_list, library_size, n_samples, n_samples_overall, batch_size, return_mean)
        asked = asked._replace(return_numpy=return_numpy, rng=rng, covariates=covariates)
        self._check_if_trained(warn=False)
        data = self._validated(adata)
        return self._normalized(data, self._chosen_cells(data, indices), self._latent_of, asked)

    def _latent_of(self, data: AnnData | MuData, cells: NDArray[np.int64]) -> Latent:
        """Means and standard deviations of the latent units of cells of validated data, and their decoder."""
        return *self._posterior(data, cells), self._decoder(data)

    def _normalized(
        self,
        data: AnnData | MuData,
        cells: NDArray[np.int64],
        latent_of: Callable[[AnnData | MuData, NDArray[np.int64]], Latent],
        asked: Asked,
    ) -> pd.DataFrame | NDArray[np.float32]:
        """Expression of cells of validated data, from their latent units as ``latent_of`` finds them."""
        rng, rows = as_generator(asked.rng), np.arange(len(cells))
        is_drawn = asked.n_samples is not None or asked.n_samples_overall is not None
        if asked.n_samples_overall is not None:
            n = at_least(asked.n_samples_overall, 1, "n_samples_overall")
            cells, rows = np.unique(rng.choice(cells, n), return_inverse=True)
        mean, sd, decode = latent_of(data, cells)
        genes = self.var_names_ if asked.genes is None else as_list(asked.genes)
        places = torch.from_numpy(self._places(genes))
        own = self._covariates_of(data, cells)
        given = [self._covariates().replace(own, change) if change else own for change in self._changes(asked)]
        scale = self._totals(data, cells) if asked.library_size == "latent" else np.full(len(cells), asked.library_size)

        def decoded() -> NDArray[np.float32]:
            z = mean[rows]
            if is_drawn:
                z = z + sd[rows] * rng.standard_normal(z.shape, dtype=np.float32)
            total = np.zeros((len(rows), len(genes)), dtype=np.float32)
            for one in given:
                for block, rates in self._decoded_blocks(data, z, one.take(rows), asked.batch_size, decode):
                    total[block] += rates.expected()[:, places].cpu().numpy()
            return total * (scale[rows, None] / len(given)).astype(np.float32)

        if asked.n_samples_overall is not None:
            return decoded()
        n = 1 if asked.n_samples is None else at_least(asked.n_samples, 1, "n_samples")
        if n > 1 and not asked.return_mean:
            return np.stack([decoded() for _ in range(n)])
        values = decoded()
        for _ in range(n - 1):
            values += decoded()
        values /= n
        if asked.return_numpy:
            return values
        return pd.DataFrame(values, index=self._modality(data).obs_names[cells], columns=genes)

    def _changes(self, asked: Asked) -> list[dict[str, Any]]:
        """Values of covariates to decode under; the result is the mean over all of them."""
        if asked.transform_batch is None:
            return [dict(asked.covariates)]
        if not self._has_field(KEYS.BATCH):
            msg = f"`transform_batch` needs a batch, but the covariates of the model are {listed(self._covariates().names)}."
            raise ValueError(msg)
        name = str(self.registry["field_registries"][KEYS.BATCH]["state_registry"]["original_key"])
        return [
            dict(asked.covariates) | ({} if batch is None else {name: batch})
            for batch in as_list(asked.transform_batch)
        ]
