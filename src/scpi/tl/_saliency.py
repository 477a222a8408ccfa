from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._rng import as_generator
from scpi._slots import is_storable, listed, result_params
from scpi._view import View
from scpi._warn import warn_user
from scpi.attribution import attribute_units, decoder_effect, latent_traversal, methods
from scpi.model import attribution_target, decoder_target
from scpi.tl._cell_store import CellStore, cells_at_a_time
from scpi.tl._gradient_input import expression_of_model

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi.attribution import UnitAttributions

_OF_DECODERS = {"decoder_effect": decoder_effect, "latent_traversal": latent_traversal}
_OPTIONS = {"decoder_effect": ("batch_size", "device"), "latent_traversal": ("low", "high", "batch_size", "device")}
# Suffixes of the other entries of `varm`
_ABS = Key.varm.SALIENCY_ABS.removeprefix(Key.varm.SALIENCY)
_GROUPS = Key.varm.SALIENCY_GROUPS.removeprefix(Key.varm.SALIENCY)


@fill
def saliency(
    data: AnnData | MuData,
    model: Any,
    *,
    method: str | None = None,
    groupby: str | None = None,
    units: str | int | Sequence[str | int] | None = None,
    absolute: bool = False,
    store: str | os.PathLike[str] | None = None,
    n_cells: int | None = None,
    rng: int | np.random.Generator | None = 0,
    key_added: str | None = None,
    mod: str | None = None,
    copy: bool = False,
    **options: Any,
) -> AnnData | MuData | None:
    r"""Find the genes that each latent unit of a model depends on, or acts on.

    Attributions of the *decoder* describe the effect of a unit on the logarithm of the mean expression
    :math:`\mu_g(z)`. Use them to annotate units:

    - `"decoder_effect"`: :math:`\partial \log \mu_g / \partial z_u`, the default;
    - `"latent_traversal"`: the change in :math:`\log \mu_g` from the 5 % to the 95 % quantile of the unit (`low=`,
      `high=`), while the other units keep their values in the cell.

    Attributions of the *encoder* describe the effect of a gene on the unit :math:`z_u(x)`. Here :math:`x` is the input
    of the network, after the transform of the model. An encoder may read only one of several correlated genes.
    `"gradient"`, the mean over cells of :math:`\partial z_u / \partial x_g`, is the default for models without a
    decoder.

    All are signed, except `"guided"`, the mean absolute value of guided gradients. They leave out every path through a
    negative weight, and allow a comparison with the method of Kinalis et al. (BMC Bioinformatics 20, 2019). Signs
    cancel between cells in which a gene acts in opposite directions; `absolute` shows where. By default, integrated
    gradients, expected gradients and DeepLIFT are contributions relative to the mean of the same cells, and cancel
    entirely. Read them within groups, by their magnitude, or relative to another `baseline`.

    Cells are read once, in batches, and sparse expression stays sparse. Memory does not grow with the number of cells.

    Parameters
    ----------
    %(data)s
    model
        Trained model with latent units: a model of scpi, or SCVI, LinearSCVI, SCANVI or DRVI of scvi-tools.
    method
        `"decoder_effect"`, `"latent_traversal"`, or an attribution of the encoder listed by
        :func:`scpi.attribution.methods`. If `None`, `"decoder_effect"`, or `"gradient"` for a model without a decoder.
    groupby
        Column of `adata.obs` with groups of cells. Means within each group are stored too.
    units
        Units to explain, by name or position; all if `None`.
    absolute
        Whether to store the mean absolute values too.
    store
        Path of a new zarr store to which the attributions of single cells are written. Not stored if `None`.
    n_cells
        Maximum number of cells to use, drawn at random; all if `None`.
    rng
        Seed or generator for the choice of cells, and for methods that draw random numbers.
    %(stored_key_added)s
    **options
        Options of the method, and `baseline` (of an encoder), `batch_size` and `device`, as in
        :func:`scpi.attribution.attribute_units`.

    Returns
    -------
    Returns `None` if `copy=False`, else the copy. Sets the following fields:

    `adata.varm['saliency' | key_added]` : :class:`pandas.DataFrame` (dtype `float32`)
        Mean over the cells, genes x units. If a file cannot store the name of a unit as a column, such as a gene set
        with a slash, it is an array, with the units of `adata.uns['saliency']['units']`.
    `adata.varm['saliency_abs' | key_added + '_abs']` : :class:`pandas.DataFrame` (dtype `float32`)
        Mean of the absolute values, with `absolute=True`; an array in the same case.
    `adata.varm['saliency_groups' | key_added + '_groups']` : :class:`numpy.ndarray` (dtype `float32`)
        Mean over the cells of each group, genes x units x groups, with `groupby`; NaN for a group without cells.
    `adata.uns['saliency' | key_added]` : :class:`dict`
        `units`, `groups` and `params`. `params` has `non_negative`, whether units cannot be negative. If the attributions
        of the method should sum to the difference from the baseline, it also has the `completeness_error`, their
        deviation as a fraction of this difference.

    The zarr store has the arrays `saliency` (units x cells x genes), `units`, `cells` and `genes`.

    Raises
    ------
    FileExistsError
        If `store` exists.
    KeyError
        If `adata.obs` has no such column.
    NotImplementedError
        If the network reads batches or covariates that would have to be fixed.
    TypeError
        If the model has no latent units or no decoder, or the method has no such option.
    ValueError
        If the model was trained on other genes, the method or a unit is unknown, or a number is out of range.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(60, n_genes=100, de_prob=0.3, rng=0)
    >>> scpi.model.SCDeepCluster.setup_anndata(adata)
    >>> model = scpi.model.SCDeepCluster(adata, n_clusters=2, n_latent=4)
    >>> model.train(max_epochs=2, enable_progress_bar=False)
    >>> scpi.tl.saliency(adata, model)
    >>> adata.varm["saliency"].shape
    (100, 4)
    """
    key_added = Key.varm.SALIENCY if key_added is None else key_added
    view = View.to_write(data, mod, key_added=key_added)
    method = _default_method(model) if method is None else method
    _check_arguments(method, options, n_cells)
    if groupby is None and not absolute and store is None and _cancels(method, options.get("baseline")):
        warn_user(
            f"Contributions by {method!r} against the mean of the cells cancel in the mean over these cells. Give "
            "`groupby`, `absolute=True` or another `baseline`, or use a slope such as 'gradient'."
        )
    adata = view.adata
    labels = None if groupby is None else view.labels(groupby)
    generator = as_generator(rng)
    codes = _codes(labels, adata.n_obs, n_cells, generator)
    # Read expression first, which checks that the model fits the data
    expression, layer = expression_of_model(view, model)
    decodes = method in _OF_DECODERS
    target: Any = decoder_target(model) if decodes else attribution_target(model, "latent")
    names = [str(name) for name in target.names]
    chosen = _choose(units, names)
    signed = decodes or bool(methods().set_index("method").loc[method, "signed"])
    settings = {"device": getattr(model, "device", None), "absolute": absolute or not signed, **options}
    if store is not None:
        settings.setdefault("batch_size", cells_at_a_time(len(chosen), adata.n_vars))
    with CellStore(
        store, units=chosen, cells=adata.obs_names[codes >= 0], genes=adata.var_names, rows=np.flatnonzero(codes >= 0)
    ) as cells:
        if decodes:
            latent = model.get_latent_representation(data)
            found = _OF_DECODERS[method](target, latent, codes, units=chosen, write=cells.write, **settings)
        else:
            found = attribute_units(
                target, expression, codes, outputs=chosen, method=method, write=cells.write, rng=generator, **settings
            )
    params = result_params(
        method=method,
        model=type(model).__name__,
        layer=layer,
        groupby=groupby,
        n_cells=int(found.n_cells.sum()),
        absolute=absolute,
        signed=signed,
        non_negative=target.non_negative,
        store=None if store is None else str(store),
        completeness_error=_relative(found),
        **{name: value for name, value in options.items() if isinstance(value, str | int | float)},
    )
    result, written = view.output(copy)
    _write(
        written,
        found,
        key=key_added,
        units=chosen,
        groups=None if labels is None else [str(name) for name in labels.categories],
        signed=signed,
        absolute=absolute,
        params=params,
    )
    return result


def _default_method(model: Any) -> str:
    """Choose the decoder effect if the model has a decoder."""
    try:
        decoder_target(model)
    except TypeError:
        return "gradient"
    return "decoder_effect"


def _check_arguments(method: str, options: dict[str, Any], n_cells: int | None) -> None:
    known = [*_OF_DECODERS, *methods()["method"]]
    if method not in known:
        msg = f"`method` must be one of {listed(known)}, but is {method!r}."
        raise ValueError(msg)
    unknown = [name for name in options if method in _OF_DECODERS and name not in _OPTIONS[method]]
    if unknown:
        msg = f"{method!r} has no option {listed(unknown)}, only {listed(_OPTIONS[method])}."
        raise TypeError(msg)
    if n_cells is not None and n_cells < 1:
        msg = f"`n_cells` must be at least 1, but is {n_cells}."
        raise ValueError(msg)


def _cancels(method: str, baseline: Any) -> bool:
    """Check whether attributions are differences from the mean of the averaged cells."""
    if method in _OF_DECODERS:
        return False
    if baseline is None:
        baseline = methods().set_index("method").loc[method, "baseline"]
    return isinstance(baseline, str) and baseline in {"mean", "cells"}


def _codes(
    labels: pd.Categorical | None, n_obs: int, n_cells: int | None, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Code the group of each cell: cells without a label form a last group, and unused cells have -1."""
    codes = np.zeros(n_obs, dtype=np.intp) if labels is None else np.asarray(labels.codes, dtype=np.intp)
    if labels is not None:
        codes = np.where(codes < 0, len(labels.categories), codes)
    if n_cells is None or n_cells >= n_obs:
        return codes
    taken = np.zeros(n_obs, dtype=bool)
    taken[rng.choice(n_obs, n_cells, replace=False)] = True
    return np.where(taken, codes, -1)


def _choose(units: str | int | Sequence[str | int] | None, names: list[str]) -> list[str]:
    """Find the names of units that are given by name or position."""
    given = range(len(names)) if units is None else [units] if isinstance(units, str | int) else units
    unknown = [unit for unit in given if not (unit in names if isinstance(unit, str) else 0 <= unit < len(names))]
    if unknown or not len(given):
        msg = f"The model has no unit {listed(unknown)}, only {listed(names)}."
        raise ValueError(msg)
    return list(dict.fromkeys(unit if isinstance(unit, str) else names[unit] for unit in given))


def _relative(found: UnitAttributions) -> float | None:
    if found.error is None or found.difference is None or not found.difference.any():
        return None
    return float(found.error.sum() / found.difference.sum())


def _write(
    adata: AnnData,
    found: UnitAttributions,
    *,
    key: str,
    units: list[str],
    groups: list[str] | None,
    signed: bool,
    absolute: bool,
    params: dict[str, Any],
) -> None:
    of_groups = found.mean if signed else found.mean_abs
    assert of_groups is not None
    share = found.n_cells / found.n_cells.sum()

    result: dict[str, Any] = {"params": params, "units": np.array(units, dtype=object)}

    def store(values: NDArray[np.float64], name: str) -> None:
        mean = np.einsum("k,kug->gu", share[share > 0], values[share > 0]).astype(np.float32)
        if all(map(is_storable, units)):
            adata.varm[name] = pd.DataFrame(mean, index=adata.var_names, columns=units)
            return
        adata.varm[name] = mean
        adata.uns[name] = {"units": result["units"]}

    # Entries of an earlier call would seem to belong to this one
    for ending in (_ABS, _GROUPS):
        adata.varm.pop(key + ending, None)
        adata.uns.pop(key + ending, None)
    store(of_groups, key)
    if absolute and found.mean_abs is not None:
        store(found.mean_abs, key + _ABS)
    if groups is not None:
        padded = np.full((len(groups), *of_groups.shape[1:]), np.nan, dtype=np.float32)
        padded[: len(of_groups)] = of_groups[: len(groups)]
        adata.varm[key + _GROUPS] = np.ascontiguousarray(padded.transpose(2, 1, 0))
        result["groups"] = np.array(groups, dtype=object)
    adata.uns[key] = result
