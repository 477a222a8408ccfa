"""Attribution targets of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi.model.base.targets._of_scvi import decoder_of_scvi, has_logits, is_of_scvi, target_of_scvi

if TYPE_CHECKING:
    from scpi.attribution import AttributionTarget, DecoderTarget


def attribution_target(model: Any, kind: str = "latent", **kwargs: Any) -> AttributionTarget:
    """Return a differentiable function of the registered expression of a model, for attributions.

    Parameters
    ----------
    model
        A trained model of scpi that has the method, or a trained SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools.
    kind
        ``"latent"``: the means of the latent units. ``"logit"``: the logits of the clusters of a clustering network, or
        of the classes of SCANVI. ``"change"``: the predicted change of expression under a ``perturbation``. Models of
        scpi may have further kinds: see their method of the same name.
    **kwargs
        Passed to the method of a model of scpi, such as ``perturbation``, ``context`` or ``dose``.

    Returns
    -------
    The target: the function, the transform from the registered expression to its input, and the names of its outputs.
    For models of scvi-tools, the function is the encoder in evaluation mode.

    Raises
    ------
    TypeError
        If the model has no such target.
    ValueError
        If the kind does not exist for the model, or the perturbation is missing or unknown.
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
        msg = f"{type(model).__name__} has no attribution target of the kind {kind!r}."
        raise TypeError(msg)
    if kwargs:
        msg = f"The {kind!r} of {type(model).__name__} takes no {sorted(kwargs)}."
        raise TypeError(msg)
    return target_of_scvi(model, kind)


def decoder_target(model: Any, **kwargs: Any) -> DecoderTarget:
    """Return a differentiable function from the latent units of a model to log mean expression.

    Parameters
    ----------
    model
        A trained model of scpi that has the method, or a trained SCVI, LinearSCVI, SCANVI or DRVI model of scvi-tools.
    **kwargs
        Passed to the method of a model of scpi, such as the ``perturbation`` that a decoder is conditioned on.

    Returns
    -------
    The target, for the units returned by ``model.get_latent_representation()``. Decoders of scvi-tools that read
    batches are averaged over batches.

    Raises
    ------
    TypeError
        If the model has no decoder from its units.
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
