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
from scpi.pl._figure import DIVERGING, PAGE_WIDTH, SMALL, finish, new_axes, shorten, style, symmetric_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

    from scpi._ranking import Ranking

Scale = Literal["group", "gene"]

# Rows with names of 7 points on a page
_ROWS = 60


@fill
def attribution_heatmap(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    genes: Sequence[str] | None = None,
    n_genes: int = 5,
    key: str = Key.uns.RANK_GENES_GRADIENTS,
    layer: str | None = None,
    groupby: str | None = None,
    n_cells: int = 50,
    scale: Scale | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw what each gene contributes to each group: the first genes of every group, in all of the groups.

    With `layer` there is a column for each cell, which shows whether the cells of a group agree.

    Parameters
    ----------
    %(data)s
    groups
        Groups to draw, in this order; all if `None`.
    genes
        Genes to draw, in this order; if `None`, the first of each group, lines between them.
    n_genes
        Number of genes of each group, where they are not chosen; fewer where there are so many groups that the names
        would not fit on a page.
    key
        Entry of `adata.uns` with a ranking of genes, whose scores are drawn.
    layer
        Entry of `adata.layers` with attributions, cells x genes, to draw in place of the scores. The groups of the
        cells are those that were ranked. Where one gene with many counts hides the others, scale by gene.
    groupby
        Column of `adata.obs` with the groups of the cells; that of the ranking if `None`.
    n_cells
        Columns of each group: evenly spaced cells where it has more, and each cell several times where it has fewer,
        so that all groups are of the same width.
    scale
        Divide by the largest size within a group, or within a gene; with cells, within those of a group.
    %(mod)s
    %(panel_ax)s

    Raises
    ------
    KeyError
        If the data holds no such ranking or layer, or no labels of its groups.
    ValueError
        If a group or a gene was not ranked, a word is unknown, or a number is below 1.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.attribution_heatmap(adata, key="rank_genes_groups", n_genes=3, show=False)
    """
    for name, value in (("n_genes", n_genes), ("n_cells", n_cells)):
        if value < 1:
            msg = f"`{name}` must be at least 1, but is {value}."
            raise ValueError(msg)
    if scale is not None and scale not in get_args(Scale):
        msg = f"`scale` must be None or one of {listed(get_args(Scale))}, but is {scale!r}."
        raise ValueError(msg)
    adata = resolve_modality(data, mod)
    ranking = read_ranking(adata, key)
    names = [
        str(name) for name in (ranking.groups if groups is None else [groups] if isinstance(groups, str) else groups)
    ]
    rows_of_groups(ranking, names)
    if genes is None:
        rows, starts = _first_genes(data, key, names, min(n_genes, max(1, _ROWS // len(names))), mod)
    else:
        rows, starts = [genes] if isinstance(genes, str) else [str(gene) for gene in genes], [0]
    if layer is None:
        matrix, width = _of_groups(ranking, names, rows), 1
    else:
        column = groupby if groupby is not None else ranking.params.get("groupby")
        matrix, width = _of_cells(data, names, rows, layer=layer, groupby=column, n_cells=n_cells, mod=mod), n_cells
    matrix = _scaled(matrix, width, scale)

    if figsize is None:
        columns = 0.24 * len(names) if layer is None else PAGE_WIDTH
        figsize = min(PAGE_WIDTH, 2.2 + columns), max(1.8, 1.0 + 0.125 * len(rows))
    with style():
        figure, axes = new_axes(ax, figsize)
        limit = symmetric_limit(matrix)
        image = axes.imshow(
            matrix,
            cmap=DIVERGING,
            vmin=-limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest" if layer is None else None,
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
        bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 1.4 / figsize[1]), aspect=15, pad=0.02, extend="both")
        bar.set_label(
            "Attribution" + {None: "", "group": " / largest of the group", "gene": " / largest of the gene"}[scale]
        )
        bar.outline.set_visible(False)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _first_genes(
    data: AnnData | MuData, key: str, groups: list[str], n: int, mod: str | None
) -> tuple[list[str], list[int]]:
    """First genes of each group, each gene once, and where the genes of each group start."""
    frame = get.de_df(data, key=key, group=groups, top_n=n, mod=mod)
    rows: dict[str, None] = {}
    starts = []
    for group in groups:
        starts.append(len(rows))
        rows |= dict.fromkeys(frame.loc[frame["group"] == group, "gene"])
    return list(rows), starts


def _of_groups(ranking: Ranking, groups: list[str], genes: list[str]) -> NDArray[np.float64]:
    """Scores, genes x groups."""
    place = {str(gene): i for i, gene in enumerate(ranking.genes)}
    unknown = [gene for gene in genes if gene not in place]
    if unknown or not genes:
        msg = f"These genes were not ranked: {listed(unknown)}. Ranked were, among others, {listed(ranking.genes, 5)}."
        raise ValueError(msg)
    known = list(ranking.groups)
    return np.asarray(
        ranking.scores[np.ix_([known.index(group) for group in groups], [place[gene] for gene in genes])].T,
        dtype=np.float64,
    )


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
    """Attributions, genes x cells, `n_cells` of each group."""
    adata = resolve_modality(data, mod)
    if layer not in adata.layers:
        msg = f"`adata.layers` has no {layer!r}, only {listed(adata.layers)}."
        raise KeyError(msg)
    unknown = [gene for gene in genes if gene not in adata.var_names]
    if unknown:
        msg = f"The layer does not have these genes: {listed(unknown)}."
        raise ValueError(msg)
    if groupby is None:
        msg = "The ranking does not say which column of `obs` has its groups: name it with `groupby=`."
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


def _scaled(matrix: NDArray[np.float64], width: int, scale: Scale | None) -> NDArray[np.float64]:
    """Divide by the largest size in each row, or in the columns of each group."""
    if scale is None:
        return matrix
    size = np.nan_to_num(np.abs(matrix))
    if scale == "gene":
        largest = size.max(axis=1, keepdims=True)
    else:
        largest = np.repeat(size.max(axis=0).reshape(-1, width).max(axis=1), width)
    return matrix / np.where(largest > 0, largest, 1.0)
