from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking
from scpi.pl._checks import check_at_least_one
from scpi.pl._cut import inches
from scpi.pl._figure import (
    BLUE,
    GREY,
    MAX_HEIGHT,
    PAGE_WIDTH,
    SMALL,
    VERMILLION,
    finish_panels,
    label_panels,
    legend_columns,
    note_part,
    panel_grid,
    shorten,
    style,
)
from scpi.pl._fit import fit_texts
from scpi.pl._score_names import score_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from mudata import MuData
    from numpy.typing import NDArray

# In inches: width of a vertical gene name, minimum width of a panel for its title, width of the labels of all panels
# and of the scores of one, height of a panel and its minimum if there are many, and height of the legend
_PITCH, _MIN_WIDTH, _LEFT, _SCORES = 0.1, 1.05, 0.4, 0.25
_HEIGHT, _LOWEST, _LEGEND = 2.1, 1.7, 0.25
# Minimum number of genes per panel if there are many panels, and maximum number of characters of a name
_FEWEST, _LONGEST = 3, 16


@fill
def rank_genes_gradients(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    n_genes: int = 20,
    n_panels: int = 20,
    key: str = Key.uns.RANK_GENES_GRADIENTS,
    ncols: int | None = None,
    sharey: bool = False,
    pval_cutoff: float = 0.05,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the names of the top genes of each group at their scores, one panel per group.

    If the ranking has fold changes, the colour shows whether a gene is higher or lower in the group than in the
    reference. If it has adjusted p-values, the dot of a gene that is not significant is empty. If genes are ranked by
    the absolute score, absolute scores are drawn. Any ranking in the format of :func:`scanpy.tl.rank_genes_groups` can
    be drawn.

    Parameters
    ----------
    %(data)s
    groups
        Groups to draw, in this order; if `None`, the first `n_panels`.
    n_genes
        Maximum number of genes per group; fewer if there are so many groups that the panels would not fit on a page.
    n_panels
        Maximum number of groups to draw if `groups=None`.
    key
        Entry of `adata.uns` with a ranking of genes.
    ncols
        Number of panels per row; if `None`, as many as fit on a page without overlap of the names of genes.
    sharey
        Whether all panels have the same limits of the score. Panels of groups with small scores are then mostly empty.
    %(significant_pval_cutoff)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such ranking.
    ValueError
        If a group was not ranked, `n_genes`, `n_panels` or `ncols` is below 1, or `ax` is given for several groups.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.rank_genes_gradients(adata, groups="Dendritic", key="rank_genes_groups", show=False)
    """
    check_at_least_one(n_genes=n_genes, n_panels=n_panels, ncols=ncols)
    ranking = read_ranking(resolve_modality(data, mod), key)
    given = ranking.groups[:n_panels] if groups is None else [groups] if isinstance(groups, str) else groups
    names = [str(group) for group in given]
    page = (PAGE_WIDTH, MAX_HEIGHT) if figsize is None else figsize
    n_genes, n_columns = _arrange(len(names), n_genes, ncols, page)
    frame = get.de_df(data, key=key, group=names, top_n=n_genes, mod=mod)
    by_size = bool(ranking.params.get("rankby_abs", False))
    tables = {name: frame[frame["group"] == name] for name in names}
    if figsize is None:
        height = min(_HEIGHT * -(-len(names) // n_columns) + _LEGEND, MAX_HEIGHT)
        figsize = min(PAGE_WIDTH, _LEFT + _width(n_genes) * n_columns), height
    reference = shorten(str(ranking.params.get("reference", "rest")), 14)
    with style():
        size = figsize[0] / n_columns, figsize[1] / -(-len(names) // n_columns)
        figure, panels = panel_grid(len(tables), ax, figsize, size=size, n_columns=n_columns)
        room = panels[0].get_window_extent().height / panels[0].get_figure(root=True).dpi  # type: ignore[union-attr]
        longest = min(max(int(0.6 * room / inches("x")), 4), _LONGEST)
        labels = [
            _panel(panel, table, by_size, longest, pval_cutoff)
            for panel, table in zip(panels, tables.values(), strict=True)
        ]
        for i, (panel, group) in enumerate(zip(panels, tables, strict=True)):
            panel.set_title(f"{shorten(group, 30)} vs. {reference}")
            panel.set_xlim(-0.8, n_genes - 0.2)
            panel.locator_params(axis="y", nbins=5)
            if sharey and i % n_columns:
                panel.tick_params(axis="y", labelleft=False)
        label_panels(panels, x="Rank", y=score_name(ranking.params))
        if groups is None:
            note_part(figure if ax is None else ax, (len(names), len(ranking.groups), "groups"))
        _legend(figure if ax is None else ax, pd.concat(tables.values()), pval_cutoff)
        fit_texts(figure, panels)
        _make_room(panels, labels, sharey=sharey)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _width(n_genes: int) -> float:
    """Compute the width of a panel in inches, with its scores."""
    return max(_PITCH * (n_genes + 1), _MIN_WIDTH) + _SCORES


def _arrange(n_panels: int, n_genes: int, ncols: int | None, page: tuple[float, float]) -> tuple[int, int]:
    """Choose the number of genes per panel and of panels per row, so that the panels fit on the page."""
    for n in range(n_genes, min(_FEWEST, n_genes) - 1, -1):
        n_columns = max(1, int((page[0] - _LEFT) / _width(n))) if ncols is None else ncols
        if _LOWEST * -(-n_panels // n_columns) + _LEGEND <= page[1]:
            break
    return n, min(n_columns, n_panels)


def _empty(table: pd.DataFrame, pval_cutoff: float) -> NDArray[np.bool_]:
    """Genes with an adjusted p-value that is not significant."""
    return np.asarray(table["pval_adj"] > pval_cutoff)


def _panel(ax: Axes, table: pd.DataFrame, by_size: bool, longest: int, pval_cutoff: float) -> list[Annotation]:
    """Draw the genes of one group; return the labels with their names."""
    rank, fold = np.arange(len(table)), table["log2fc"].to_numpy()
    score = np.abs(table["score"].to_numpy()) if by_size else table["score"].to_numpy()
    names = []
    upright: dict[str, Any] = {
        "textcoords": "offset points",
        "rotation": 90,
        "ha": "center",
        "va": "bottom",
        "fontsize": SMALL,
    }
    for sign, colour in ((1, VERMILLION), (-1, BLUE), (0, "black")):
        rows = np.sign(np.nan_to_num(fold)) == sign
        empty = rows & _empty(table, pval_cutoff)
        for drawn, face in ((rows & ~empty, colour), (empty, "white")):
            ax.scatter(rank[drawn], score[drawn], s=7, c=face, edgecolors=colour, linewidths=0.6)
        for i in np.flatnonzero(rows):
            gene = shorten(str(table["gene"].iloc[i]), longest)
            names.append(ax.annotate(gene, (rank[i], score[i]), xytext=(0, 3), color=colour, **upright))
    ticks = [i for i in range(len(table)) if len(table) < 10 or i == 0 or (i + 1) % 5 == 0]
    ax.set_xticks(ticks, [str(i + 1) for i in ticks])
    ax.margins(y=0.05)
    if score.size and score.min() < 0 < score.max():
        ax.axhline(0, color=GREY, lw=0.6, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    return names


def _make_room(panels: list[Axes], names: list[list[Annotation]], *, sharey: bool) -> None:
    """Set the limits of the scores so that the names fit into the panels."""
    pixels = panels[0].get_figure(root=True).dpi / 72.0  # type: ignore[union-attr]
    shared = [panels] if sharey else [[panel] for panel in panels]
    texts = [sum(names, [])] if sharey else names
    for group, labels in zip(shared, texts, strict=True):
        low, high = min(panel.get_ylim()[0] for panel in group), max(panel.get_ylim()[1] for panel in group)
        low -= 0.03 * (high - low)
        full = min(panel.get_window_extent().height for panel in group)
        for text in labels:
            # A name may be longer than the height of the panel, so its fraction of the axis is limited
            fraction = min((text.get_window_extent().height + 4.0 * pixels) / full, 0.8)
            high = max(high, (text.xy[1] - low * fraction) / (1.0 - fraction))
        for panel in group:
            panel.set_ylim(low, high)


def _legend(on: Figure | Axes, table: pd.DataFrame, pval_cutoff: float) -> None:
    """Add a legend of the colours and of empty dots; in a figure, below the panels, so that it covers no gene name."""
    signs = set(np.sign(table["log2fc"].dropna()))
    handles = [
        Line2D([], [], ls="none", marker="o", ms=3, color=colour, label=label)
        for sign, colour, label in ((1, VERMILLION, "higher in the group"), (-1, BLUE, "lower in the group"))
        if sign in signs
    ]
    tested = table["pval_adj"].notna()
    empty = _empty(table, pval_cutoff)
    dot: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 3, "mew": 0.6, "color": GREY}
    if (tested & ~empty).any():
        handles.append(Line2D([], [], mfc=GREY, label=f"adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g}", **dot))
    if empty.any():
        handles.append(Line2D([], [], mfc="white", label=f"adjusted p > {pval_cutoff:g}", **dot))
    if handles:
        width = on.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
        columns = legend_columns([str(handle.get_label()) for handle in handles], width)
        position = (
            {"loc": "outside lower right", "ncols": columns, "columnspacing": 1.0}
            if isinstance(on, plt.Figure)
            else {"loc": "upper right"}
        )
        on.legend(handles=handles, handletextpad=0.1, borderaxespad=0.1, **position)
