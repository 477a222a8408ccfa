from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import has_non_negative_units, order_genes, read_saliency
from scpi._slots import listed
from scpi.pl._checks import check_at_least_one, check_choice
from scpi.pl._cut import inches
from scpi.pl._figure import (
    DIVERGING,
    MAX_HEIGHT,
    PAGE_WIDTH,
    SMALL,
    colour_bar,
    finish,
    new_axes,
    note_part,
    shorten,
    style,
)
from scpi.pl._order import scale_columns, union
from scpi.pl._score_names import saliency_name
from scpi.pl._unit_titles import choose_units, unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

Scale = Literal["unit", "gene"]

# Maximum number of rows with names of 7 points on a page
_MAX_ROWS = 60
# Maximum number of columns with names of two lines on a page
_MAX_COLUMNS = 16
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
    """Draw a heatmap of the saliency of the top genes of each latent unit in all units.

    Each gene is drawn once, with the first unit that has it as a top gene. If the genes of a unit are dark only in the
    column of that unit, no other unit is redundant with it.
    The top genes are those of :func:`scpi.get.programs`: of a unit that cannot be negative, the genes that it raises.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.saliency` or :func:`scpi.tl.consensus_programs` has been run on it.
    %(strongest_units)s
    n_genes
        Number of genes per unit; fewer if there are so many units that the names would not fit on a page.
    group
        Group of cells whose means are drawn, if `groupby` was given to :func:`scpi.tl.saliency`; all cells if `None`.
    scale
        Whether to divide by the largest absolute value of each unit, because the scales of units differ, or of each
        gene; not scaled if `None`.
    key
        Entry of `adata.varm` with a score of each gene in each unit.
    %(annotation_key)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If the data has no such scores, or no scores of groups.
    ValueError
        If there is no such unit or group, `scale` is unknown, or a number is below 1.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 3, n_genes_per_program=10, signed=True)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> axes = scpi.pl.saliency(adata, key="loadings", show=False)
    """
    check_at_least_one(n_genes=n_genes, n_units=n_units)
    check_choice("scale", scale, get_args(Scale), optional=True)
    adata = resolve_modality(data, mod)
    scores, names = read_saliency(adata, key)
    if group is not None:
        scores = _of_group(adata, key, group)
    most = n_units if units is not None else min(n_units, _MAX_COLUMNS)
    chosen = choose_units(units, names, np.abs(scores).max(axis=0), most)
    scores = scores[:, chosen]
    n = min(n_genes, max(1, _MAX_ROWS // len(chosen)))
    non_negative = has_non_negative_units(adata, key)
    rows, starts = union(order_genes(unit, non_negative=non_negative)[:n].tolist() for unit in scores.T)
    rows = rows or [0]
    if scale is not None:
        scores = scale_columns(scores) if scale == "unit" else scale_columns(scores.T).T
    matrix = scores[rows]
    genes = [shorten(str(adata.var_names[row]), 18) for row in rows]
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 24)

    if figsize is None:
        width = 1.2 + inches(genes) + 0.28 * len(chosen)
        figsize = min(PAGE_WIDTH, width), min(MAX_HEIGHT, max(2.2, 0.3 + inches(titles) + 0.125 * len(rows)))
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
        label = saliency_name(adata.uns.get(key))
        label += "" if scale is None else f" / largest of the {scale}"
        colour_bar(figure, image, axes, label, shrink=min(1.0, 1.4 / figsize[1]), aspect=15, pad=0.02)
        if group is not None:
            axes.set_title(shorten(group, 40))
        if units is None:
            note_part(axes, (len(chosen), len(names), "units"))
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _of_group(adata: AnnData, key: str, group: str) -> NDArray[np.float64]:
    """Read the mean scores of a group of cells, genes x units."""
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
