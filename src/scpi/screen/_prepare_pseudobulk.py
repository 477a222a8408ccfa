"""Checks of profiles of conditions, and what was understood of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._mudata import resolve_modality
from scpi._screen._checks import check_annotations, check_expression, scale_of, value_range
from scpi._screen._expression import log_normalised
from scpi._slots import find_column, find_layer, layer_name, listed, read_labels, read_layer
from scpi.screen._prepare import in_memory

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._screen._labels import Labelling

# Rows of a condition that are rather its cells than its replicates
_MANY = 50


def prepare_profiles(
    data: AnnData | MuData,
    *,
    perturbation_key: str,
    context_key: str | None,
    dose_key: str | None,
    labelling: Labelling,
    layer: str | None,
    halves: tuple[str, str] | None,
    mod: str | None,
    notes: list[str],
) -> AnnData:
    """Copy profiles, check them, and normalise those that are sums of counts.

    Returns ``X`` on a log scale, or as changes, canonical labels, and the halves as layers. ``notes`` receives a sentence
    on whatever is left out or normalised.
    """
    from anndata import AnnData

    source = in_memory(resolve_modality(data, mod))
    check_annotations(source)
    obs = source.obs.copy()
    obs[perturbation_key] = labelling.read(read_labels(data, perturbation_key, mod=mod, argument="perturbation_key"))
    for argument, column in (("context_key", context_key), ("dose_key", dose_key)):
        if column is not None:
            obs[column] = find_column(data, column, mod=mod, argument=argument)
    check_expression(find_layer(source, layer), what=layer_name(layer))
    x = read_layer(source, layer)
    scale = scale_of(x)
    if scale == "normalised":
        msg = (
            f"`{layer_name(layer)}` is neither counts nor on a log scale. Name the layer that holds counts, logarithms of "
            "normalised expression, or changes of these (`layer=`)."
        )
        raise ValueError(msg)
    layers = {name: read_layer(source, name) for name in halves or ()}
    if scale == "counts":
        notes.append("Sums of counts were scaled to 10,000 per row, and log1p was taken.")
        x, layers = log_normalised(x), {name: log_normalised(values) for name, values in layers.items()}
    adata = AnnData(x, obs=obs, var=source.var.copy(), layers=layers)
    unlabelled = adata.obs[perturbation_key].isna().to_numpy()
    if unlabelled.any():
        notes.append(f"{int(unlabelled.sum()):,} rows without a label in '{perturbation_key}' were left out.")
        adata = adata[~unlabelled].copy()
    _check_control(adata, perturbation_key, labelling)
    most = int(adata.obs[perturbation_key].value_counts().max())
    if most >= _MANY:
        notes.append(
            f"Up to {most:,} rows have the same label: if these are cells, `scpi.screen.run_screen` is their analysis."
        )
    return adata


def _check_control(adata: AnnData, perturbation_key: str, labelling: Labelling) -> None:
    labels = adata.obs[perturbation_key]
    if not (labels == labelling.control).any():
        msg = (
            f"No row of `obs[{perturbation_key!r}]` is labelled {listed(labelling.control_names)} (`control`). If the values are "
            "changes against a control without a row, add it by `scpi.screen.with_zero_control` (--rows changes)."
        )
        raise ValueError(msg)


def describe_profiles(
    adata: AnnData, *, perturbation_key: str, labelling: Labelling, halves: tuple[str, str] | None
) -> list[tuple[str, str]]:
    """What was understood of profiles, as pairs of a topic and a sentence."""
    labels = adata.obs[perturbation_key].astype(str)
    counts = labels.value_counts()
    n_control = int(counts.get(labelling.control, 0))
    others = counts.drop(labelling.control)
    n_combined = sum(map(labelling.is_combination, others.index))
    rows = [
        (
            "Rows",
            f"Conditions, not cells: {adata.n_obs:,} profiles, {n_control:,} of them of the control "
            f"({labelling.control!r}). Only means are compared.",
        ),
        ("Conditions", f"{len(others) - n_combined:,} perturbations and {n_combined:,} combinations."),
        ("Replicates", _replicates(adata, others.to_numpy(), halves)),
    ]
    control = adata[(labels == labelling.control).to_numpy()]
    if value_range(control.X) == (0.0, 0.0):
        rows.append(("Values", "Changes against the control, whose profile is zero: its noise is in all changes."))
        return rows
    if value_range(adata.X)[0] < 0:
        rows.append(("Values", "Some are negative, as in scaled data: changes are on that scale."))
    if n_control == 1:
        rows.append(
            (
                "Control",
                "One profile. Predictions start from it, and measured changes and the halves are against it: its noise is in "
                "all of them, so that correlations with changes, those of the ceiling included, are somewhat too high. The "
                "correlation against the other perturbations does not have this fault.",
            )
        )
    return rows


def _replicates(adata: AnnData, counts: NDArray[np.int64], halves: tuple[str, str] | None) -> str:
    """What repeats the measurement of a condition."""
    if halves is not None:
        n = int(np.isfinite(np.asarray(_row_sums(adata, halves))).all(0).sum())
        return f"Halves of the cells ({listed(halves)}) of {n:,} of {adata.n_obs:,} rows."
    several = int((counts > 1).sum())
    if several:
        return f"{several:,} of {len(counts):,} conditions have several rows, {int(counts.max()):,} at most, which are halved."
    return "None: one row per condition and no halves were named (`halves`, --halves), so that noise is not known."


def _row_sums(adata: AnnData, halves: tuple[str, str]) -> list[Any]:
    return [np.asarray(adata.layers[name].sum(axis=1)).ravel() for name in halves]
