from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking, rows_of_groups
from scpi._screen._matrix import as_dense
from scpi._slots import listed, read_labels
from scpi.pl._checks import check_at_least_one, check_choice
from scpi.pl._cut import inches
from scpi.pl._figure import DIVERGING, PAGE_WIDTH, SMALL, colour_bar, finish, new_axes, shorten, style, symmetric_limit
from scpi.pl._order import scale_columns, union
from scpi.pl._score_names import attribution_name, score_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._ranking import Ranking

Scale = Literal["group", "gene"]

# Maximum number of rows with names of 7 points on a page
_MAX_ROWS = 60


@fill
def attribution_heatmap(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    genes: Sequence[str] | str | None = None,
    n_genes: int = 5,
    key: str = Key.uns.RANK_GENES_GRADIENTS,
    layer: str | None = None,
    groupby: str | None = None,
    n_cells: int = 50,
    scale: Scale | Literal["auto"] | None = "auto",
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the scores of the top genes of each group in all groups.

    With `layer`, there is one column per cell instead of one per group, which shows whether the cells of a group agree.

    Parameters
    ----------
    %(data)s
    groups
        Groups to draw, in this order; all if `None`.
    genes
        Genes to draw, in this order; if `None`, the top genes of each group, with lines between the groups.
    n_genes
        Number of genes per group if `genes=None`; fewer if there are so many groups that the names would not fit on a
        page.
    key
        Entry of `adata.uns` with a ranking of genes, whose scores are drawn.
    layer
        Entry of `adata.layers` with attributions, cells x genes, to draw instead of the scores.
    groupby
        Column of `adata.obs` with the ranked group of each cell; that of the ranking if `None`.
    n_cells
        Number of columns per group, so that all groups have the same width: evenly spaced cells if a group has more
        cells, and repeated cells if it has fewer.
    scale
        Whether to divide by the largest absolute value of each group (with `layer`, of all of its cells) or of each
        gene; not scaled if `None`. `"auto"` scales each gene if `layer` is given, because genes with many counts would
        leave all others blank, and does not scale otherwise.
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If the data has no such ranking, layer or column of groups.
    ValueError
        If a group or a gene was not ranked, `scale` is unknown, or a number is below 1.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.attribution_heatmap(adata, key="rank_genes_groups", n_genes=3, show=False)
    """
    check_at_least_one(n_genes=n_genes, n_cells=n_cells)
    check_choice("scale", scale, [*get_args(Scale), "auto"], optional=True)
    if scale == "auto":
        scale = None if layer is None else "gene"
    adata = resolve_modality(data, mod)
    ranking = read_ranking(adata, key)
    given = ranking.groups if groups is None else [groups] if isinstance(groups, str) else groups
    names = [str(name) for name in given]
    rows_of_groups(ranking, names)
    if genes is None:
        frame = get.de_df(data, key=key, group=names, top_n=min(n_genes, max(1, _MAX_ROWS // len(names))), mod=mod)
        rows, starts = union(frame.loc[frame["group"] == name, "gene"] for name in names)
    else:
        rows, starts = [genes] if isinstance(genes, str) else [str(gene) for gene in genes], [0]
    if layer is None:
        matrix, width = _of_groups(ranking, names, rows), 1
    else:
        column = groupby if groupby is not None else ranking.params.get("groupby")
        matrix, width = _of_cells(data, names, rows, layer=layer, groupby=column, n_cells=n_cells, mod=mod), n_cells
    if scale is not None:
        matrix = scale_columns(matrix, width) if scale == "group" else scale_columns(matrix.T).T

    if figsize is None:
        columns = 0.24 * len(names) if layer is None else PAGE_WIDTH
        height = 0.3 + inches(shorten(name, 30) for name in names) + 0.125 * len(rows)
        figsize = min(PAGE_WIDTH, 1.2 + inches(shorten(gene, 18) for gene in rows) + columns), max(1.8, height)
    with style():
        figure, axes = new_axes(ax, figsize)
        limit = symmetric_limit(matrix)
        image = axes.imshow(
            matrix,
            cmap=DIVERGING,
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
        )
        starts_of_groups = np.arange(len(names)) * width
        for edge in starts_of_groups[1:]:
            axes.axvline(edge - 0.5, color="white" if layer is None else "black", lw=0.6)
        for start in starts[1:]:
            axes.axhline(start - 0.5, color="black", lw=0.6)
        axes.set_xticks(starts_of_groups + (width - 1) / 2, [shorten(name, 30) for name in names], rotation=90)
        axes.set_yticks(range(len(rows)), [shorten(gene, 18) for gene in rows], fontsize=SMALL)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        label = score_name(ranking.params) if layer is None else attribution_name(ranking.params, layer)
        label += "" if scale is None else f" / largest of the {scale}"
        shrink = min(1.0, 1.4 / figsize[1])
        colour_bar(figure, image, axes, label, shrink=shrink, aspect=15, pad=0.02, extend="both")
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _of_groups(ranking: Ranking, groups: list[str], genes: list[str]) -> NDArray[np.float64]:
    """Collect the scores, genes x groups."""
    column_of = {str(gene): i for i, gene in enumerate(ranking.genes)}
    unknown = [gene for gene in genes if gene not in column_of]
    if unknown or not genes:
        msg = f"These genes were not ranked: {listed(unknown)}. The ranked genes are {listed(ranking.genes, 5)}."
        raise ValueError(msg)
    ranked = list(ranking.groups)
    part = np.ix_([ranked.index(group) for group in groups], [column_of[gene] for gene in genes])
    return np.asarray(ranking.scores[part].T, dtype=np.float64)


def _of_cells(
    data: AnnData | MuData,
    groups: list[str],
    genes: list[str],
    *,
    layer: str,
    groupby: str | None,
    n_cells: int,
    mod: str | None,
) -> NDArray[np.float64]:
    """Collect the attributions, genes x cells, `n_cells` of each group."""
    adata = resolve_modality(data, mod)
    if layer not in adata.layers:
        msg = f"`adata.layers` has no {layer!r}, only {listed(adata.layers)}."
        raise KeyError(msg)
    unknown = [gene for gene in genes if gene not in adata.var_names]
    if unknown:
        msg = f"The layer does not have these genes: {listed(unknown)}."
        raise ValueError(msg)
    if groupby is None:
        msg = "The ranking does not contain the name of the column of `obs` with its groups: set `groupby=`."
        raise KeyError(msg)
    labels = np.asarray(read_labels(data, str(groupby), mod=mod))
    cells = []
    for group in groups:
        of_group = np.flatnonzero(labels == group)
        if len(of_group) == 0:
            msg = f"`obs[{groupby!r}]` has no cells of the group {group!r}, only of {listed(dict.fromkeys(labels))}."
            raise ValueError(msg)
        cells.append(of_group[np.arange(n_cells) * len(of_group) // n_cells])
    values = adata[np.concatenate(cells), genes].layers[layer]
    dense = as_dense(values)
    return dense.T.astype(np.float64)
