"""Attribution targets of models, those of scvi-tools included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from scvi import REGISTRY_KEYS

from scpi.attribution import AttributionTarget, DecoderTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Kind = Literal["latent", "logit"]


def attribution_target(model: Any, kind: Kind) -> AttributionTarget:
    """Differentiable function of the expression that a model registers.

    Parameters
    ----------
    model
        A model of scpi that has the hook, or an SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools, trained.
    kind
        `"latent"`: the mean of the latent units. `"logit"`: the logits of the clusters of a clustering network, or of
        the classes of SCANVI.

    Returns
    -------
    The target. The functions of scvi-tools' models are those of their encoders in evaluation mode.

    Raises
    ------
    TypeError
        If the model has no such target.
    NotImplementedError
        If the encoder reads batches or covariates beside the genes.
    """
    model._check_if_trained(warn=False)
    if hasattr(model, "attribution_target"):
        target: AttributionTarget = model.attribution_target(kind)
        return target
    if not _is_of_scvi(model) or (kind == "logit" and not has_logits(model)):
        msg = f"{type(model).__name__} gives no {kind!r} of the expression that genes could be held responsible for."
        raise TypeError(msg)
    return _of_scvi(model, kind)


def decoder_target(model: Any) -> DecoderTarget:
    """Differentiable function from the latent units of a model to the logarithm of the mean expression.

    Parameters
    ----------
    model
        A model of scpi that has the hook, or an SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools, trained.

    Returns
    -------
    The target, for the units that `model.get_latent_representation()` gives. A decoder of scvi-tools that reads batches
    gives the mean over them.

    Raises
    ------
    TypeError
        If the model has no decoder of its units.
    NotImplementedError
        If the decoder reads covariates beside the batch.
    """
    model._check_if_trained(warn=False)
    if hasattr(model, "decoder_target"):
        target: DecoderTarget = model.decoder_target()
        return target
    if not _is_of_scvi(model):
        msg = f"{type(model).__name__} has no decoder from its latent units to the expression of genes."
        raise TypeError(msg)
    return _decoder_of_scvi(model)


def has_logits(model: Any) -> bool:
    """Whether a model names groups of its own: clusters or classes."""
    from scvi.model import SCANVI

    return hasattr(model, "clusters_") or isinstance(model, SCANVI)


def _is_of_scvi(model: Any) -> bool:
    """Whether it is one of the models of scvi-tools whose networks are known."""
    from scvi import external
    from scvi.model import SCANVI, SCVI, LinearSCVI

    # DRVI came with scvi-tools 1.5
    return isinstance(model, (SCVI, LinearSCVI, SCANVI, *filter(None, [getattr(external, "DRVI", None)])))


def _of_scvi(model: Any, kind: Kind) -> AttributionTarget:
    module = model.module.eval()
    if getattr(module, "encode_covariates", False):
        msg = (
            f"The encoder of this {type(model).__name__} reads batches or covariates beside the genes "
            "(`encode_covariates=True`), which an attribution would have to fix. Train it without."
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


def unit_names(n: int) -> list[str]:
    """Names of latent units."""
    return [f"latent_{index}" for index in range(n)]


def asked_change(kind: str, perturbation: str | None) -> str:
    """Perturbation whose change is to be explained.

    Raises
    ------
    ValueError
        If the kind is not ``"change"``, or the perturbation is missing.
    """
    if kind != "change" or perturbation is None:
        msg = f"`kind` must be 'latent', or 'change' with a `perturbation`, got {kind!r}."
        raise ValueError(msg)
    return perturbation


def _decoder_of_scvi(model: Any) -> DecoderTarget:
    module = model.module.eval()
    name = type(model).__name__
    if module.gene_likelihood.startswith("normal"):
        msg = (
            f"The decoder of this {name} gives a normal distribution, whose mean may be negative: it has no logarithm."
        )
        raise TypeError(msg)
    if model.summary_stats.get("n_extra_categorical_covs", 0) or model.summary_stats.get("n_extra_continuous_covs", 0):
        msg = f"The decoder of this {name} reads covariates beside the batch, which would have to be fixed. Train it without."
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
    """Logits of a classifier of latent units that may give probabilities."""

    def logits(x: Tensor) -> Tensor:
        found: Tensor = classifier(latent(x))
        return found if classifier.logits else torch.log(found.clamp(min=torch.finfo(found.dtype).tiny))

    return logits
