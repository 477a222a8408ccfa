from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import find_units, read_saliency
from scpi._slots import listed
from scpi.pl._figure import DIVERGING, PAGE_WIDTH, SMALL, finish, new_axes, shorten, style
from scpi.pl._unit_titles import unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

Scale = Literal["unit", "gene"]

# Rows with names of 7 points on a page
_ROWS = 60
_GROUPS = Key.varm.SALIENCY_GROUPS.removeprefix(Key.varm.SALIENCY)


@fill
def saliency(
    data: AnnData | MuData,
    *,
    units: Sequence[str] | str | None = None,
    n_units: int = 20,
    n_genes: int = 5,
    group: str | None = None,
    scale: Scale | None = "unit",
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw which genes each latent unit depends on: the first genes of every unit, in all of the units.

    A gene stands once, with the first unit in the figure that has it among its first. A unit whose genes are dark in its
    own column alone is one that the others do not repeat.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.saliency` or :func:`scpi.tl.consensus_programs` has been run on it.
    units
        Units to draw, in this order; if `None`, those with the largest attributions.
    n_units
        Most units to draw, where they are not chosen.
    n_genes
        Number of genes of each unit; fewer where there are so many units that the names would not fit on a page.
    group
        Group of cells whose means are drawn, where :func:`scpi.tl.saliency` was given `groupby`; all cells if `None`.
    scale
        Divide by the largest size within a unit, whose scales differ, or within a gene.
    key
        Entry of `adata.varm` with a score of each gene in each unit.
    annotation_key
        Entry of `adata.uns` that :func:`scpi.tl.annotate_units` wrote: the sets that units stand for join their names,
        where they are there, with a minus before those that the unit lowers.
    %(mod)s
    %(panel_ax)s

    Raises
    ------
    KeyError
        If the data holds no such scores, or none of groups.
    ValueError
        If there is no such unit or group, a word is unknown, or a number is below 1.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 3, n_genes_per_program=10, signed=True)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> axes = scpi.pl.saliency(adata, key="loadings", show=False)
    """
    for name, value in (("n_genes", n_genes), ("n_units", n_units)):
        if value < 1:
            msg = f"`{name}` must be at least 1, but is {value}."
            raise ValueError(msg)
    if scale is not None and scale not in get_args(Scale):
        msg = f"`scale` must be None or one of {listed(get_args(Scale))}, but is {scale!r}."
        raise ValueError(msg)
    adata = resolve_modality(data, mod)
    scores, names = read_saliency(adata, key)
    if group is not None:
        scores = _of_group(adata, key, group)
    chosen = find_units(units, names)
    if units is None:
        # Those that are left out are the weakest, and the rest keep their order
        chosen = sorted(np.argsort(-np.abs(scores).max(axis=0), kind="stable")[:n_units].tolist())
    scores = scores[:, chosen]
    rows, starts = _first_genes(scores, min(n_genes, max(1, _ROWS // len(chosen))))
    matrix = _scaled(scores, scale)[rows]
    genes = [shorten(str(adata.var_names[row]), 18) for row in rows]
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 30)

    if figsize is None:
        figsize = min(PAGE_WIDTH, 2.0 + 0.28 * len(chosen)), max(2.2, 1.4 + 0.125 * len(rows))
    with style():
        figure, axes = new_axes(ax, figsize)
        unsigned = bool((scores >= 0).all())
        limit = float(np.abs(matrix).max()) or 1.0
        image = axes.imshow(
            matrix,
            cmap="Reds" if unsigned else DIVERGING,
            vmin=0.0 if unsigned else -limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
        )
        for start in starts[1:]:
            axes.axhline(start - 0.5, color="0.75", lw=0.4)
        axes.set_xticks(range(len(chosen)), titles, rotation=90, fontsize=SMALL)
        axes.set_yticks(range(len(rows)), genes, fontsize=SMALL)
        axes.tick_params(length=0)
        axes.spines[:].set_linewidth(0.4)
        bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 1.4 / figsize[1]), aspect=15, pad=0.02)
        bar.set_label(
            "Saliency" + {None: "", "unit": " / largest of the unit", "gene": " / largest of the gene"}[scale]
        )
        bar.outline.set_visible(False)
        if group is not None:
            axes.set_title(shorten(group, 40))
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _of_group(adata: AnnData, key: str, group: str) -> NDArray[np.float64]:
    """Scores of a group of cells, genes x units."""
    stored = adata.uns.get(key)
    groups = [str(name) for name in stored.get("groups", ())] if hasattr(stored, "get") else []
    if key + _GROUPS not in adata.varm or not groups:
        msg = f"`adata.varm` has no attributions of groups {key + _GROUPS!r}: call `scpi.tl.saliency` with `groupby`."
        raise KeyError(msg)
    if group not in groups:
        msg = f"There is no group {group!r}, only {listed(groups)}."
        raise ValueError(msg)
    scores = np.asarray(adata.varm[key + _GROUPS], dtype=np.float64)[:, :, groups.index(group)]
    if not np.isfinite(scores).all():
        msg = f"No cells of the group {group!r} were explained."
        raise ValueError(msg)
    return scores


def _first_genes(scores: NDArray[np.float64], n: int) -> tuple[list[int], list[int]]:
    """Places of the first genes of each unit, each gene once, and where those of each unit start."""
    rows: dict[int, None] = {}
    starts = []
    for unit in scores.T:
        starts.append(len(rows))
        first = np.argsort(-np.abs(unit), kind="stable")[:n]
        rows |= dict.fromkeys(first[unit[first] != 0].tolist())
    return list(rows) or [0], starts


def _scaled(scores: NDArray[np.float64], scale: Scale | None) -> NDArray[np.float64]:
    """Divide by the largest size in each column or row."""
    if scale is None:
        return scores
    largest = np.abs(scores).max(axis=0 if scale == "unit" else 1, keepdims=True)
    return scores / np.where(largest > 0, largest, 1.0)
