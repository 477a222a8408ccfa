"""Data without counts: latent posterior, covariates and total counts of the cells, as the minified data of scvi-tools."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from anndata import AnnData
from scvi.data._constants import (
    _ADATA_MINIFY_TYPE_UNS_KEY,
    _SCVI_UUID_KEY,
    _SETUP_METHOD_NAME,
    ADATA_MINIFY_TYPE,
)
from scvi.model.base import BaseMinifiedModeModelClass
from scvi.model.utils import get_minified_adata_scrna

from scpi._minified import check_has_counts, kind_of
from scpi._slots import listed

if TYPE_CHECKING:
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.model.base.generation._mixin import GenerationMixin

    class Host(BaseMinifiedModeModelClass, GenerationMixin):
        """Class that the mixin extends."""

else:
    # Others are refused by scvi-tools where data is minified
    Host = BaseMinifiedModeModelClass

# Entries of minified data: of `obsm`, `obsm`, `obs` and `uns`
_MEAN, _VARIANCE, _TOTAL, _MODEL = "_scpi_latent_mean", "_scpi_latent_variance", "_scpi_total", "_scpi_minified_by"


class MinifiedMixin(Host):
    """Minified mode of a model whose cells are described by the posterior of their latent units.

    What is stored belongs to the data, and not to the fields of the model as in scvi-tools, so that a model of minified
    data also takes new cells with counts.
    """

    @property
    def minified_data_type(self) -> str | None:
        """Kind of the minified data of the model; ``None`` for other data."""
        return None if self.adata is None else kind_of(self.adata)

    def minify_adata(self, minified_data_type: str = ADATA_MINIFY_TYPE.LATENT_POSTERIOR) -> None:
        """Replace the counts of the cells by the posterior of their latent units.

        The model is assigned a copy of its data, :attr:`adata`, in which ``X`` and all layers are zero. Latent units,
        decoded expression and generated cells are the same as before, and ``save(save_anndata=True)`` writes a small
        file. What needs counts raises an error: training, ``counterfactual``, the likelihood of the counts, and, in
        ``differential_expression``, ``all_stats`` and the estimation of ``pseudocounts``. The data that was given to the
        model is unchanged.

        Parameters
        ----------
        minified_data_type
            ``"latent_posterior_parameters"``, or ``"latent_posterior_parameters_with_counts"`` to keep the counts, so
            that cells are not encoded again.

        Raises
        ------
        ValueError
            If there is no such type, the model was loaded without data, or the counts were removed before.
        NotImplementedError
            If the model was set up with a MuData.
        """
        if minified_data_type not in ADATA_MINIFY_TYPE:
            msg = f"`minified_data_type` must be one of {listed(ADATA_MINIFY_TYPE)}, but is {minified_data_type!r}."
            raise ValueError(msg)
        self._check_if_trained(warn=False)
        adata = self._validated(None)
        if not isinstance(adata, AnnData):
            msg = "A MuData cannot be minified: set the model up with the AnnData of the modality."
            raise NotImplementedError(msg)
        check_has_counts(adata)
        mean, sd = self._posterior(adata, np.arange(adata.n_obs))
        total = self._totals(adata, np.arange(adata.n_obs))
        keep = minified_data_type == ADATA_MINIFY_TYPE.LATENT_POSTERIOR_WITH_COUNTS
        mini = get_minified_adata_scrna(self.adata_manager, keep_count_data=keep)
        del mini.uns[_SCVI_UUID_KEY]
        mini.uns[_ADATA_MINIFY_TYPE_UNS_KEY] = minified_data_type
        mini.obsm[_MEAN], mini.obsm[_VARIANCE] = mean, sd**2
        mini.obs[_TOTAL] = total
        mini.uns[_MODEL] = self._weights_mark()
        method = self.registry[_SETUP_METHOD_NAME]
        self.adata = mini
        # A registry that was transferred does not name it, and a saved model needs it
        self.registry[_SETUP_METHOD_NAME] = method

    def _stored_posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Means and standard deviations that minified data holds; ``None`` for other data.

        Those of another model, or of this one before further training, are ignored if there are counts to encode, and
        are an error otherwise.
        """
        kind = kind_of(adata)
        if kind is None:
            return None
        if adata.uns.get(_MODEL) != self._weights_mark():
            if kind != ADATA_MINIFY_TYPE.LATENT_POSTERIOR:
                return None
            msg = "The data was minified by another model: use that model, or the data with counts."
            raise ValueError(msg)
        mean, variance = (adata.obsm[key][cells] for key in (_MEAN, _VARIANCE))
        return np.asarray(mean, dtype=np.float32), np.sqrt(variance, dtype=np.float32)

    def _totals(self, adata: AnnData | MuData, cells: NDArray[np.int64]) -> NDArray[np.float64]:
        if kind_of(adata) is None:
            return super()._totals(adata, cells)
        return adata.obs[_TOTAL].to_numpy(dtype=np.float64)[cells]

    def _weights_mark(self) -> str:
        """Mark of the weights, by which the model that minified data is recognised."""
        mark = 0
        for values in self.module.state_dict().values():
            mark = crc32(values.detach().cpu().contiguous().numpy().tobytes(), mark)
        return f"{mark:08x}"
