"""Generation by the models of scvi-tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scvi import REGISTRY_KEYS

from scpi._screen._checks import as_indices
from scpi.model.base.generation._covariates import Covariates, Encoded
from scpi.model.base.generation._generation import Generation
from scpi.model.base.generation._rates import Rates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from torch import Tensor

    from scpi.model.base.generation._generation import Decoder

_LIKELIHOODS = ("nb", "zinb", "poisson")


class SCVIGeneration(Generation):
    """Generation by a trained SCVI or LinearSCVI model; made by :func:`from_scvi`."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def _generator(self) -> Any:
        return self.model

    def _state(self, key: str) -> Any:
        return self.model.adata_manager.get_state_registry(key)

    def _has(self, key: str) -> bool:
        return bool(self.model.registry["field_registries"].get(key, {}).get("data_registry"))

    def _covariates(self) -> Covariates:
        categories: dict[str, list[str]] = {}
        if self._has_batch:
            state = self._state(REGISTRY_KEYS.BATCH_KEY)
            categories[str(state.original_key)] = [str(name) for name in state.categorical_mapping]
        if self._has(REGISTRY_KEYS.CAT_COVS_KEY):
            state = self._state(REGISTRY_KEYS.CAT_COVS_KEY)
            categories |= {key: [str(name) for name in state.mappings[key]] for key in state.field_keys}
        continuous: list[str] = []
        if self._has(REGISTRY_KEYS.CONT_COVS_KEY):
            continuous = [str(name) for name in self._state(REGISTRY_KEYS.CONT_COVS_KEY).columns]
        return Covariates(categories, continuous)

    def _covariates_of(self, adata: AnnData | MuData, cells: NDArray[np.int64] | slice = slice(None)) -> Encoded:
        manager = self.model.get_anndata_manager(adata, required=True)
        codes, values = [np.zeros((adata.n_obs, 0))], np.zeros((adata.n_obs, 0), dtype=np.float32)
        if self._has_batch:
            codes.append(np.asarray(manager.get_from_registry(REGISTRY_KEYS.BATCH_KEY)).reshape(-1, 1))
        if self._has(REGISTRY_KEYS.CAT_COVS_KEY):
            codes.append(np.asarray(manager.get_from_registry(REGISTRY_KEYS.CAT_COVS_KEY)))
        if self._has(REGISTRY_KEYS.CONT_COVS_KEY):
            values = np.asarray(manager.get_from_registry(REGISTRY_KEYS.CONT_COVS_KEY), dtype=np.float32)
        return Encoded(np.concatenate(codes, axis=1).astype(np.int64), values).take(cells)

    @property
    def _has_batch(self) -> bool:
        return self.model.registry["setup_args"].get("batch_key") is not None

    def _decoder(self, adata: AnnData | MuData) -> Decoder:
        return self._rates

    def _rates(self, z: Tensor, codes: Tensor, values: Tensor) -> Rates:
        batch = codes[:, :1] if self._has_batch else torch.zeros((len(z), 1), dtype=torch.long, device=z.device)
        others = codes[:, 1:] if self._has_batch else codes
        zeros = torch.zeros_like(z[:, :1])
        # The total is given later: a size factor of 1 has the logarithm 0
        found = self.model.module.generative(
            z=z,
            library=zeros,
            batch_index=batch,
            cont_covs=values if values.shape[1] else None,
            cat_covs=others if others.shape[1] else None,
            size_factor=zeros,
            y=torch.zeros_like(batch),
        )["px"]
        likelihood = self.model.module.gene_likelihood
        mean = found.rate if likelihood == "poisson" else found.mu
        return Rates(
            mean / mean.sum(1, keepdim=True),
            None if likelihood == "poisson" else found.theta,
            found.zi_logits if likelihood == "zinb" else None,
        )

    @torch.inference_mode()
    def _posterior(
        self, adata: AnnData | MuData, cells: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        mean, variance = self.model.get_latent_representation(adata, indices=cells, return_dist=True)
        return np.asarray(mean, dtype=np.float32), np.sqrt(np.asarray(variance, dtype=np.float32))

    def _prior(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        return rng.standard_normal((n, self.model.module.n_latent), dtype=np.float32)

    def _validated(self, adata: AnnData | MuData | None) -> AnnData | MuData:
        return self.model._validate_anndata(adata)

    def _expression_of(self, adata: AnnData | MuData) -> AnnData:
        return adata

    def _counts_of(self, adata: AnnData | MuData) -> Any:
        return self.model.get_anndata_manager(adata, required=True).get_from_registry(REGISTRY_KEYS.X_KEY)

    def _chosen_cells(
        self, adata: AnnData | MuData, indices: Sequence[int] | NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        return as_indices(indices, adata.n_obs)


def from_scvi(model: Any) -> SCVIGeneration:
    """Wrap a model of scvi-tools to generate cells as models of scpi do.

    Parameters
    ----------
    model
        Trained SCVI or LinearSCVI model with a likelihood of counts.

    Returns
    -------
    Object with the methods `generate`, `counterfactual` and `generate_de` of :class:`NBVAE`.

    Raises
    ------
    TypeError
        If the model is of another class, or has a normal likelihood, logistic normal latent units, or a dispersion per
        label.

    Examples
    --------
    >>> import scvi, scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, group_prob=(0.5, 0.5), rng=0)
    >>> scvi.model.SCVI.setup_anndata(adata, batch_key="group")
    >>> model = scvi.model.SCVI(adata, gene_likelihood="nb")
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> cells = scpi.model.from_scvi(model).counterfactual(group="Group1")
    >>> cells.shape
    (60, 100)
    """
    from scvi.model import SCVI, LinearSCVI

    if not isinstance(model, (SCVI, LinearSCVI)):
        msg = f"Cells are generated by SCVI and LinearSCVI models of scvi-tools, not by {type(model).__name__}."
        raise TypeError(msg)
    module = model.module
    if module.gene_likelihood not in _LIKELIHOODS or module.latent_distribution != "normal":
        msg = (
            f"The {type(model).__name__} has the likelihood {module.gene_likelihood!r} and latent units of a "
            f"{module.latent_distribution!r} distribution: train it with one of {list(_LIKELIHOODS)}, and 'normal'."
        )
        raise TypeError(msg)
    if module.dispersion == "gene-label":
        msg = "The dispersion of the SCVI model depends on labels, which generated cells do not have: train it with dispersion='gene'."
        raise TypeError(msg)
    model._check_if_trained(warn=False)
    return SCVIGeneration(model)
