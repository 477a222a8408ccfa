"""Attribution targets of the models of scvi-tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi import REGISTRY_KEYS

from scpi.attribution import AttributionTarget, DecoderTarget
from scpi.model.base.targets._latent import unit_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def has_logits(model: Any) -> bool:
    """Whether a model has logits of clusters or classes."""
    from scvi.model import SCANVI

    return hasattr(model, "clusters_") or isinstance(model, SCANVI)


def is_of_scvi(model: Any) -> bool:
    """Whether the model is a supported model of scvi-tools."""
    from scvi import external
    from scvi.model import SCANVI, SCVI, LinearSCVI

    # DRVI came with scvi-tools 1.5
    return isinstance(model, (SCVI, LinearSCVI, SCANVI, *filter(None, [getattr(external, "DRVI", None)])))


def target_of_scvi(model: Any, kind: str) -> AttributionTarget:
    """Latent units or logits of a model of scvi-tools."""
    module = model.module.eval()
    if getattr(module, "encode_covariates", False):
        msg = (
            f"The encoder of this {type(model).__name__} reads batches or covariates beside the genes "
            "(`encode_covariates=True`), which an attribution would have to fix. Train it without them."
        )
        raise NotImplementedError(msg)
    log, encoder = module.log_variational, module.z_encoder
    first, *rest = [layer for block in encoder.encoder.fc_layers for layer in block if layer is not None]

    def head(hidden: Tensor) -> Tensor:
        if first.bias is not None:
            hidden = hidden + first.bias
        for layer in rest:
            hidden = layer(hidden)
        return torch.as_tensor(encoder.mean_encoder(hidden))

    projection = first.weight.detach().T

    def latent(x: Tensor) -> Tensor:
        return head(x @ projection)

    def transform(counts: Tensor) -> Tensor:
        return torch.log1p(counts) if log else counts

    if kind == "latent":
        return AttributionTarget(
            latent, transform, unit_names(module.n_latent), kind=kind, projection=projection, head=head
        )
    names = model.adata_manager.get_state_registry(REGISTRY_KEYS.LABELS_KEY).categorical_mapping
    return AttributionTarget(
        _logits(module.classifier, latent),
        transform,
        [str(name) for name in names][: module.n_labels],
        kind=kind,
        projection=projection,
        head=_logits(module.classifier, head),
    )


def decoder_of_scvi(model: Any) -> DecoderTarget:
    """Logarithm of the mean expression that a model of scvi-tools decodes, averaged over batches."""
    module = model.module.eval()
    name = type(model).__name__
    if module.gene_likelihood.startswith("normal"):
        msg = f"The decoder of this {name} has a normal distribution, whose mean may be negative and has no logarithm."
        raise TypeError(msg)
    if model.summary_stats.get("n_extra_categorical_covs", 0) or model.summary_stats.get("n_extra_continuous_covs", 0):
        msg = f"The decoder of this {name} reads covariates beside the batch. Train it without them."
        raise NotImplementedError(msg)
    embedded = module.batch_representation == "embedding"
    # The decoder of DRVI takes neither a dispersion nor a depth, and gives logits
    additive = hasattr(module, "n_split_latent")

    def of_batch(z: Tensor, code: int) -> Tensor:
        batch = torch.full((len(z), 1), code, device=z.device)
        codes: tuple[Tensor, ...] = () if embedded else (batch,)
        represented = module.compute_embedding(REGISTRY_KEYS.BATCH_KEY, batch) if embedded else None
        if additive:
            return torch.log_softmax(module.decoder(z, *codes, cont=represented)[0], dim=-1)
        units = z if represented is None else torch.cat([z, represented], dim=-1)
        share: Tensor = module.decoder("gene", units, torch.zeros_like(z[:, :1]), *codes)[0]
        return share.clamp(min=torch.finfo(share.dtype).tiny).log()

    def log_mean(z: Tensor) -> Tensor:
        return torch.stack([of_batch(z, code) for code in range(max(module.n_batch, 1))]).mean(0)

    return DecoderTarget(log_mean, unit_names(module.n_latent))


def _logits(classifier: Any, latent: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Logits of a classifier of latent units, which may output probabilities."""

    def logits(x: Tensor) -> Tensor:
        found: Tensor = classifier(latent(x))
        return found if classifier.logits else torch.log(found.clamp(min=torch.finfo(found.dtype).tiny))

    return logits
