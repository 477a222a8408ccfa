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
        A model of scpi that has the hook, or an SCVI, LinearSCVI or SCANVI model of scvi-tools, trained.
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
    from scvi.model import SCANVI, SCVI, LinearSCVI

    if not isinstance(model, SCVI | LinearSCVI | SCANVI) or (kind == "logit" and not isinstance(model, SCANVI)):
        msg = f"{type(model).__name__} gives no {kind!r} of the expression that genes could be held responsible for."
        raise TypeError(msg)
    return _of_scvi(model, kind)


def decoder_target(model: Any) -> DecoderTarget:
    """Differentiable function from the latent units of a model to the logarithm of the mean expression.

    Parameters
    ----------
    model
        A model that has the hook `decoder_target()`, trained.

    Returns
    -------
    The target, for the units that `model.get_latent_representation()` gives.

    Raises
    ------
    TypeError
        If the model has no decoder of its units.
    """
    model._check_if_trained(warn=False)
    if not hasattr(model, "decoder_target"):
        msg = f"{type(model).__name__} has no decoder from its latent units to the expression of genes."
        raise TypeError(msg)
    target: DecoderTarget = model.decoder_target()
    return target


def has_logits(model: Any) -> bool:
    """Whether a model names groups of its own: clusters or classes."""
    from scvi.model import SCANVI

    return hasattr(model, "clusters_") or isinstance(model, SCANVI)


def _of_scvi(model: Any, kind: Kind) -> AttributionTarget:
    module = model.module.eval()
    if getattr(module, "encode_covariates", False):
        msg = (
            f"The encoder of this {type(model).__name__} reads batches or covariates beside the genes "
            "(`encode_covariates=True`), which an attribution would have to fix. Train it without."
        )
        raise NotImplementedError(msg)
    log = module.log_variational

    def latent(x: Tensor) -> Tensor:
        hidden = module.z_encoder.encoder(x)
        return torch.as_tensor(module.z_encoder.mean_encoder(hidden))

    def transform(counts: Tensor) -> Tensor:
        return torch.log1p(counts) if log else counts

    if kind == "latent":
        n_latent = module.z_encoder.mean_encoder.out_features
        return AttributionTarget(latent, transform, [f"latent_{i}" for i in range(n_latent)], kind=kind)
    names = model.adata_manager.get_state_registry(REGISTRY_KEYS.LABELS_KEY).categorical_mapping
    return AttributionTarget(
        _logits(module.classifier, latent), transform, [str(name) for name in names][: module.n_labels], kind=kind
    )


def _logits(classifier: Any, latent: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Logits of a classifier of latent units that may give probabilities."""

    def logits(x: Tensor) -> Tensor:
        found: Tensor = classifier(latent(x))
        return found if classifier.logits else torch.log(found.clamp(min=torch.finfo(found.dtype).tiny))

    return logits
