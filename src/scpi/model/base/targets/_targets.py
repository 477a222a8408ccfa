"""Attribution targets of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi.model.base.targets._of_scvi import decoder_of_scvi, has_logits, is_of_scvi, target_of_scvi

if TYPE_CHECKING:
    from scpi.attribution import AttributionTarget, DecoderTarget


def attribution_target(model: Any, kind: str = "latent", **kwargs: Any) -> AttributionTarget:
    """Differentiable function of the expression that a model registers, for attributions.

    Parameters
    ----------
    model
        A model of scpi that has the hook, or an SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools, trained.
    kind
        ``"latent"``: the mean of the latent units. ``"logit"``: the logits of the clusters of a clustering network, or of
        the classes of SCANVI. ``"change"``: the predicted change of expression under a ``perturbation``. Models of scpi
        may have others: see their method of the same name.
    **kwargs
        Passed to the method of a model of scpi, such as ``perturbation``, ``context`` or ``dose``.

    Returns
    -------
    The target: the function, the transform of the registered expression into its input, and the names of its outputs.
    The functions of scvi-tools' models are those of their encoders in evaluation mode.

    Raises
    ------
    TypeError
        If the model has no such target.
    ValueError
        If the model of scpi has no such kind, or the perturbation is missing or unknown.
    NotImplementedError
        If the encoder reads batches or covariates beside the genes.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, de_prob=0.3, rng=0)
    >>> scpi.model.SCDeepCluster.setup_anndata(adata)
    >>> model = scpi.model.SCDeepCluster(adata, n_clusters=2, n_latent=3)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> scpi.model.attribution_target(model, "latent").names
    ['latent_0', 'latent_1', 'latent_2']
    """
    model._check_if_trained(warn=False)
    if hasattr(model, "attribution_target"):
        target: AttributionTarget = model.attribution_target(kind, **kwargs)
        return target
    if not is_of_scvi(model) or kind not in ("latent", "logit") or (kind == "logit" and not has_logits(model)):
        msg = f"{type(model).__name__} gives no {kind!r} of the expression that genes could be held responsible for."
        raise TypeError(msg)
    if kwargs:
        msg = f"The {kind!r} of {type(model).__name__} takes no {sorted(kwargs)}."
        raise TypeError(msg)
    return target_of_scvi(model, kind)


def decoder_target(model: Any, **kwargs: Any) -> DecoderTarget:
    """Differentiable function from the latent units of a model to the logarithm of the mean expression.

    Parameters
    ----------
    model
        A model of scpi that has the hook, or an SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools, trained.
    **kwargs
        Passed to the method of a model of scpi, such as the ``perturbation`` that a decoder is conditioned on.

    Returns
    -------
    The target, for the units that ``model.get_latent_representation()`` gives. A decoder of scvi-tools that reads batches
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
        target: DecoderTarget = model.decoder_target(**kwargs)
        return target
    if not is_of_scvi(model) or kwargs:
        msg = f"{type(model).__name__} has no decoder from its latent units to the expression of genes"
        raise TypeError(f"{msg} that takes {sorted(kwargs)}." if kwargs else f"{msg}.")
    return decoder_of_scvi(model)
