from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from scpi._changes import among, read_changes
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._figure import (
    GREY,
    PALETTE,
    finish_panels,
    label_panels,
    legend_columns,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._changes import Changes

_BLACK = "#222222"
# Minimum distance between the labels of two doses, and margin on each side, as fractions of the axis
_MIN_DISTANCE = 0.11
_MARGIN = 0.04


@fill
def dose_response(
    data: AnnData | MuData,
    genes: str | Sequence[str] | None = None,
    *,
    perturbation: str | None = None,
    context: str | Sequence[str] | None = None,
    keys: str | Sequence[str] | Mapping[str, str] = Key.varm.PREDICTED_CHANGE,
    n_genes: int = 6,
    confidence_level: float = 0.95,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    r"""Draw the predicted and the measured change of genes against the dose, one panel per gene and context.

    Lines are predictions at the doses that were given to :func:`scpi.tl.predict_perturbation` (`n_between=` adds doses
    for a smooth line). They are dashed outside the range of the measured doses. Points are measured changes of the
    mean. The axis is linear in :math:`\log(1 + \mathrm{dose})`, and its ticks are the measured doses.

    Parameters
    ----------
    %(data)s
    genes
        Gene or genes to draw; if `None`, those with the largest predicted change at the largest dose.
    perturbation
        Perturbation to draw, in the spelling of the model; not required if there is only one.
    context
        Context or contexts to draw; all if `None`.
    keys
        Entry of `adata.uns` written by :func:`scpi.tl.predict_perturbation`. To draw several models on the same axes,
        several entries, or a mapping from names in the legend to entries.
    n_genes
        Number of genes to draw if `genes=None`.
    confidence_level
        Level of the confidence intervals of the measured changes. The intervals are normal, from the standard error
        over cells. This assumes independent cells, so differences between wells or donors are not included.
    %(mod)s
    %(panels_ax)s

    Returns
    -------
    The axes (a list, by gene and then by context, if there are several panels) if the figure is not shown, or the figure
    if `return_fig=True`.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a result has no doses or no such gene, perturbation or context; `perturbation` is required but not given; the
        results are of different layers; a number is out of range; or `ax` is given for several panels.

    Examples
    --------
    >>> import numpy as np
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=40)
    >>> sc.pp.normalize_total(adata)
    >>> sc.pp.log1p(adata)
    >>> treated = (adata.obs["perturbation"] != "control").to_numpy()
    >>> adata.obs["dose"] = np.where(treated, np.random.default_rng(0).choice([1.0, 10.0], adata.n_obs), 0.0)
    >>> scpi.model.LinearDose.setup_anndata(adata, dose_key="dose")
    >>> model = scpi.model.LinearDose(adata)
    >>> model.train()
    >>> scpi.tl.predict_perturbation(adata, model, model.perturbations_[0], n_between=5)
    >>> panels = scpi.pl.dose_response(adata, n_genes=2, show=False)
    >>> len(panels)
    2
    """
    adata = resolve_modality(data, mod)
    results = _read(adata, keys)
    label = _one_perturbation(results, perturbation)
    contexts = _shared_contexts(results, label, context)
    if not 0 < confidence_level < 1 or n_genes < 1:
        msg = f"`confidence_level` must be between 0 and 1 and `n_genes` at least 1, got {confidence_level} and {n_genes}."
        raise ValueError(msg)
    if genes is None:
        names = adata.var_names[_most_changed(next(iter(results.values())), label, contexts, n_genes)]
    else:
        names = among(adata.var_names.astype(str).tolist(), genes, "gene")
    width = NormalDist().inv_cdf(0.5 + confidence_level / 2)
    pairs = [(str(gene), name) for gene in names for name in contexts]
    n_columns = 3 if len(contexts) == 1 else min(len(contexts), 4)
    with style():
        size = (3.4, 2.5) if len(pairs) == 1 else (2.36, 1.9)
        figure, panels = panel_grid(len(pairs), ax, figsize, size=size, n_columns=n_columns)
        for panel, (gene, name) in zip(panels, pairs, strict=True):
            row = int(adata.var_names.astype(str).get_loc(gene))
            _panel(panel, results, row, label, name, width=width)
            panel.set_title(shorten(gene if name is None else f"{gene}, {name}", 36))
        _share_limits(panels, len(contexts))
        label_panels(panels, x=f"Dose of {shorten(label, 24)}", y="Change of the mean")
        if genes is None:
            note_part(figure if ax is None else ax, (len(names), adata.n_vars, "genes"))
        _legend(figure if ax is None else ax, panels, list(results), confidence_level)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _read(adata: AnnData, keys: str | Sequence[str] | Mapping[str, str]) -> dict[str, Changes]:
    """Read results by their names in the legend: given names, or unique names of the models, or else keys."""
    entries = [keys] if isinstance(keys, str) else list(keys.values() if hasattr(keys, "values") else keys)
    if not entries or len(entries) > len(PALETTE):
        msg = f"`keys` must name 1 to {len(PALETTE)} results, got {len(entries)}."
        raise ValueError(msg)
    results = [read_changes(adata, key) for key in entries]
    without = [key for key, changes in zip(entries, results, strict=True) if Key.obs.DOSE not in changes.conditions]
    if without:
        msg = f"The predictions under {listed(without)} have no doses: set up the model with `dose_key`."
        raise ValueError(msg)
    if len({str(changes.params.get("layer")) for changes in results}) > 1:
        msg = f"The results {listed(entries)} are of different layers and cannot be drawn on the same axes."
        raise ValueError(msg)
    models = [str(changes.params.get("model", key)) for key, changes in zip(entries, results, strict=True)]
    names = list(keys) if hasattr(keys, "keys") else models if len(set(models)) == len(models) else entries
    return dict(zip(map(str, names), results, strict=True))


def _one_perturbation(results: Mapping[str, Changes], perturbation: str | None) -> str:
    """Find the label of the given perturbation, or of the only one that all results have."""
    first, *others = (set(changes.conditions[Key.obs.PERTURBATION]) for changes in results.values())
    shared = sorted(first.intersection(*others))
    chosen = among(shared, perturbation, "predicted perturbation")
    if len(chosen) != 1:
        msg = f"Choose one `perturbation`: the results have {listed(shared)} in common."
        raise ValueError(msg)
    return chosen[0]


def _shared_contexts(
    results: Mapping[str, Changes], label: str, context: str | Sequence[str] | None
) -> list[str | None]:
    """Find the contexts to draw, which all results have; `[None]` if the results have no contexts."""
    conditions = [_rows(changes.conditions, label) for changes in results.values()]
    has_contexts = [Key.obs.CONTEXT in rows for rows in conditions]
    undivided: list[str | None] = [None]
    if not any(has_contexts) and context is None:
        return undivided
    if not all(has_contexts):
        msg = "Predictions cannot be drawn by `context`: not all of the results have contexts."
        raise ValueError(msg)
    first, *others = (list(dict.fromkeys(rows[Key.obs.CONTEXT])) for rows in conditions)
    shared = among([name for name in first if all(name in other for other in others)], context, "context")
    if not shared:
        msg = f"The results have no context in common: the first has {listed(first)}, the next {listed(others[0])}."
        raise ValueError(msg)
    return [*shared]


def _rows(table: pd.DataFrame, label: str, context: str | None = None) -> pd.DataFrame:
    """Select the rows of a perturbation, and of a context if it is given, ordered by dose."""
    keep = table[Key.obs.PERTURBATION] == label
    if context is not None:
        keep &= table[Key.obs.CONTEXT] == context
    return table[keep].sort_values(Key.obs.DOSE)


def _most_changed(changes: Changes, label: str, contexts: Sequence[str | None], n_genes: int) -> NDArray[np.intp]:
    """Find the genes with the largest absolute change at the largest dose, over all contexts."""
    last = [_rows(changes.conditions, label, name).index[-1] for name in contexts]
    return np.argsort(-np.abs(changes.predicted[:, last]).max(axis=1), kind="stable")[:n_genes]


def _panel(
    ax: Axes, results: Mapping[str, Changes], row: int, label: str, context: str | None, *, width: float
) -> None:
    """Draw one gene in one context."""
    ax.axhline(0, color="#DDDDDD", lw=0.6, zorder=0)
    doses: list[Any] = []
    # The first model is drawn on top
    for order, (name, changes) in enumerate(results.items()):
        table = _rows(changes.conditions, label, context)
        dose, change = table[Key.obs.DOSE].to_numpy(), changes.predicted[row, table.index]
        style_of: dict[str, Any] = {
            "color": PALETTE[order],
            "lw": 1.2,
            "zorder": 2.5 - 0.05 * order,
            "solid_capstyle": "butt",
        }
        for part, dashed in _parts(table["extrapolated"].to_numpy(dtype=bool)):
            ax.plot(dose[part], change[part], ls="--" if dashed else "-", label=name, **style_of)
        if len(dose) == 1:
            ax.plot(dose, change, "s", ms=3.5, mew=0, color=PALETTE[order], label=name)
        doses.append(dose)
    # All models have the same measured cells, except for a model without perturbed cells
    changes = max(results.values(), key=lambda result: len(_rows(result.measured_conditions, label, context)))
    table = _rows(changes.measured_conditions, label, context)
    dose = table[Key.obs.DOSE].to_numpy(dtype=np.float64)
    if len(dose):
        change, error = changes.measured[row, table.index], width * changes.standard_error[row, table.index]
        ax.errorbar(dose, change, error, fmt="o", ms=3, mew=0, elinewidth=0.8, color=_BLACK, zorder=3, label="measured")
    _dose_axis(ax, dose, np.concatenate([*doses, dose]))
    ax.locator_params(axis="y", nbins=5)
    ax.spines[["top", "right"]].set_visible(False)


def _parts(extrapolated: NDArray[np.bool_]) -> list[tuple[slice, bool]]:
    """Divide a line into solid and dashed segments; it is dashed on both sides of each extrapolated point."""
    dashed = extrapolated[:-1] | extrapolated[1:]
    turns = [0, *(np.flatnonzero(np.diff(dashed)) + 1).tolist(), len(dashed)]
    return [(slice(a, b + 1), bool(dashed[a])) for a, b in zip(turns[:-1], turns[1:], strict=True) if b > a]


def _dose_axis(ax: Axes, measured: NDArray[np.float64], everywhere: NDArray[np.float64]) -> None:
    """Scale the axis by the logarithm of the dose plus 1, with a tick at each measured dose and labels that do not overlap."""
    low, high = np.log1p(everywhere.min()), np.log1p(everywhere.max())
    span = float(high - low) or 1.0
    ax.set_xscale("function", functions=(np.log1p, np.expm1))
    ax.set_xlim(*np.expm1([low - _MARGIN * span, high + _MARGIN * span]))
    # The ends are labelled first, then the doses in decreasing order
    ends = [everywhere.max(), *(measured[[-1]] if len(measured) else []), everywhere.min()]
    labelled: list[float] = []
    for dose in [*ends, *measured[::-1]]:
        if all(abs(np.log1p(dose) - np.log1p(other)) >= _MIN_DISTANCE * span for other in labelled):
            labelled.append(float(dose))
    ax.set_xticks(labelled, [format(dose, "g") for dose in labelled])
    ax.set_xticks([dose for dose in measured if dose not in labelled], minor=True)
    ax.tick_params(axis="x", which="minor", length=3.5, width=0.6)
    ax.xaxis.set_minor_formatter("")


def _share_limits(panels: Sequence[Axes], n_contexts: int) -> None:
    """Set the same limits for all contexts of a gene."""
    for start in range(0, len(panels), n_contexts):
        of_gene = panels[start : start + n_contexts]
        limits = np.array([panel.get_ylim() for panel in of_gene])
        for panel in of_gene:
            panel.set_ylim(limits[:, 0].min(), limits[:, 1].max())


def _legend(on: Figure | Axes, panels: Sequence[Axes], names: Sequence[str], confidence_level: float) -> None:
    """Add a legend of the lines and points, outside the panels if `on` is a figure."""
    handles = [
        Line2D([], [], color=color, lw=1.2, label=shorten(name, 24))
        for name, color in zip(names, PALETTE, strict=False)
    ]
    lines = [line for panel in panels for line in panel.lines]
    if any(line.get_linestyle() == "--" for line in lines):
        handles.append(Line2D([], [], color=GREY, lw=1.2, ls="--", label="extrapolated"))
    if any(panel.containers for panel in panels):
        text = f"measured, {100 * confidence_level:g} % interval"
        handles.append(Line2D([], [], color=_BLACK, lw=0.8, marker="o", ms=3, mew=0, label=text))
    position: dict[str, Any] = {"loc": "best"}
    if isinstance(on, plt.Figure):
        n_columns = legend_columns([str(handle.get_label()) for handle in handles], on.get_figwidth())
        position = {"loc": "outside upper center", "ncols": n_columns}
    on.legend(handles=handles, handlelength=1.6, columnspacing=1.2, borderaxespad=0.2, **position)
