"""Generation by the models of scpi."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._checks import as_indices
from scpi.model.base._constants import KEYS
from scpi.model.base.generation._covariates import Covariates, Encoded
from scpi.model.base.generation._generation import Generation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base._model_base import ModelBase

    class Host(Generation, ModelBase):
        """Class that the mixin extends."""

else:
    Host = Generation


class GenerationMixin(Host):
    """Generation by a model whose covariates are its batch, and categorical and continuous covariates.

    Subclasses implement ``_decoder`` (decode latent units under covariates) and ``_posterior`` (means and standard
    deviations of the latent units of cells). They also implement ``_prior``, unless it is a standard normal
    distribution of ``self.preset_.n_latent`` units.
    """

    def _covariates(self) -> Covariates:
        registries = self.registry["field_registries"]
        categories: dict[str, list[str]] = {}
        if self._has_field(KEYS.BATCH):
            state = registries[KEYS.BATCH]["state_registry"]
            categories[str(state["original_key"])] = [str(name) for name in state["categorical_mapping"]]
        if self._has_field(KEYS.CATEGORICAL):
            categories |= registries[KEYS.CATEGORICAL]["state_registry"]["categories"]
        continuous: list[str] = []
        if self._has_field(KEYS.CONTINUOUS):
            continuous = registries[KEYS.CONTINUOUS]["state_registry"]["columns"]
        return Covariates(categories, continuous)

    def _covariates_of(self, adata: AnnData | MuData, cells: NDArray[np.int64] | slice = slice(None)) -> Encoded:
        codes = [np.zeros((adata.n_obs, 0), dtype=np.int64)]
        codes += [
            np.asarray(self._field(adata, key)).reshape(adata.n_obs, -1)
            for key in (KEYS.BATCH, KEYS.CATEGORICAL)
            if self._has_field(key)
        ]
        values = np.zeros((adata.n_obs, 0), dtype=np.float32)
        if self._has_field(KEYS.CONTINUOUS):
            values = np.asarray(self._field(adata, KEYS.CONTINUOUS), dtype=np.float32)
        return Encoded(np.concatenate(codes, axis=1).astype(np.int64), values).take(cells)

    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        return rng.standard_normal((n, self._n_units), dtype=np.float32)

    @property
    def _n_units(self) -> int:
        """Number of latent units."""
        return int(self.preset_.n_latent)

    def _validated(self, adata: AnnData | MuData | None) -> AnnData | MuData:
        return self._validate_anndata(adata)

    def _expression_of(self, adata: AnnData | MuData) -> AnnData:
        return self._modality(adata)

    def _counts_of(self, adata: AnnData | MuData) -> Any:
        return self._field(adata, KEYS.X)

    def _chosen_cells(
        self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        return as_indices(indices, adata.n_obs)

    @property
    def _generator(self) -> Any:
        return self
