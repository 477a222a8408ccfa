from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.lines import Line2D

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, SMALL, VERMILLION, finish, panel_grid, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from mudata import MuData

# In inches: width that the name of a gene takes when it stands upright, of a title, and of what is left of the panels
_PITCH, _LEAST, _LEFT = 0.1, 2.0, 0.45
_HEIGHT, _LEGEND = 2.1, 0.25


@fill
def rank_genes_gradients(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    n_genes: int = 20,
    key: str = Key.uns.RANK_GENES_GRADIENTS,
    ncols: int | None = None,
    sharey: bool = True,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the first genes of each group at their scores, one panel for each group.

    The colour says whether a gene is higher or lower in the group than in what it was compared with, where the ranking
    has fold changes. Of a ranking by size in either direction the sizes are drawn. Any ranking in the structure of
    :func:`scanpy.tl.rank_genes_groups` can be drawn.

    Parameters
    ----------
    %(data)s
    groups
        Groups to draw, in this order; all if `None`.
    n_genes
        Number of genes of each group.
    key
        Entry of `adata.uns` with a ranking of genes.
    ncols
        Panels in a row; if `None`, as many as leave room for the names of the genes on a page.
    sharey
        Whether the scores of all groups have one axis.
    %(mod)s
    %(ax)s
        Takes a single group.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such ranking.
    ValueError
        If a group was not ranked, `n_genes` or `ncols` is below 1, or `ax` is given for several groups.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.rank_genes_gradients(adata, groups="Dendritic", key="rank_genes_groups", show=False)
    """
    for name, value in (("n_genes", n_genes), ("ncols", ncols)):
        if value is not None and value < 1:
            msg = f"`{name}` must be at least 1, but is {value}."
            raise ValueError(msg)
    ranking = read_ranking(resolve_modality(data, mod), key)
    named = ranking.groups if groups is None else [groups] if isinstance(groups, str) else groups
    frame = get.de_df(data, key=key, group=[str(group) for group in named], top_n=n_genes, mod=mod)
    by_size = bool(ranking.params.get("rankby_abs", False))
    tables = {str(group): frame[frame["group"] == str(group)] for group in named}
    width = max(_PITCH * (n_genes + 1), _LEAST) + (0.05 if sharey else 0.25)
    if ncols is None:
        ncols = max(1, int((PAGE_WIDTH - _LEFT) / width))
    n_columns = min(ncols, len(tables))
    if figsize is None:
        n_rows = -(-len(tables) // n_columns)
        figsize = min(PAGE_WIDTH, _LEFT + width * n_columns), _HEIGHT * n_rows + _LEGEND
    reference = str(ranking.params.get("reference", "rest"))
    with style():
        figure, panels = panel_grid(len(tables), ax, figsize, size=(width, _HEIGHT), n_columns=n_columns)
        names = [_panel(panel, table, by_size) for panel, table in zip(panels, tables.values(), strict=True)]
        for i, (panel, group) in enumerate(zip(panels, tables, strict=True)):
            # A title of the height of the final one, which needs the final width
            panel.set_title(shorten(group, 8))
            panel.set_xlim(-0.8, n_genes - 0.2)
            panel.set_xlabel("Rank" if i + n_columns >= len(panels) else "")
            panel.set_ylabel(("Size of the score" if by_size else "Score") if i % n_columns == 0 else "")
            if sharey and i % n_columns:
                panel.tick_params(axis="y", labelleft=False)
        _legend(figure if ax is None else ax, pd.concat(tables.values()))
        # Sizes in pixels are right only once the layout of the figure is
        figure.draw_without_rendering()
        _make_room(panels, names, sharey=sharey)
        for panel, group in zip(panels, tables, strict=True):
            _entitle(panel, group, shorten(reference, 14))
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _panel(ax: Axes, table: pd.DataFrame, by_size: bool) -> list[Annotation]:
    """Draw the genes of one group, and give their names."""
    rank, fold = np.arange(len(table)), table["log2fc"].to_numpy()
    score = np.abs(table["score"].to_numpy()) if by_size else table["score"].to_numpy()
    names = []
    for sign, colour in ((1, VERMILLION), (-1, BLUE), (0, "black")):
        rows = np.sign(np.nan_to_num(fold)) == sign
        ax.scatter(rank[rows], score[rows], s=6, c=colour, linewidths=0)
        for i in np.flatnonzero(rows):
            gene = shorten(str(table["gene"].iloc[i]), 16)
            names.append(
                ax.annotate(
                    gene,
                    (rank[i], score[i]),
                    xytext=(0, 3),
                    textcoords="offset points",
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize=SMALL,
                    color=colour,
                )
            )
    shown = [i for i in range(len(table)) if len(table) < 10 or i == 0 or (i + 1) % 5 == 0]
    ax.set_xticks(shown, [str(i + 1) for i in shown])
    ax.margins(y=0.05)
    if score.size and score.min() < 0 < score.max():
        ax.axhline(0, color=GREY, lw=0.6, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    return names


def _make_room(panels: list[Axes], names: list[list[Annotation]], *, sharey: bool) -> None:
    """Set the limits of the scores such that the names are inside of the panels."""
    pixels = panels[0].get_figure(root=True).dpi / 72.0  # type: ignore[union-attr]
    together = [panels] if sharey else [[panel] for panel in panels]
    texts = [sum(names, [])] if sharey else names
    for group, inside in zip(together, texts, strict=True):
        low, high = min(panel.get_ylim()[0] for panel in group), max(panel.get_ylim()[1] for panel in group)
        low -= 0.03 * (high - low)
        full = min(panel.get_window_extent().height for panel in group)
        for text in inside:
            # A name longer than the panel is high cannot be helped
            share = min((text.get_window_extent().height + 4.0 * pixels) / full, 0.8)
            high = max(high, (text.xy[1] - low * share) / (1.0 - share))
        for panel in group:
            panel.set_ylim(low, high)


def _entitle(ax: Axes, group: str, reference: str) -> None:
    """Name the group and what it was compared with, in as many letters as fit above the panel."""
    room = ax.get_window_extent().width
    for n in range(30, 7, -1):
        ax.set_title(f"{shorten(group, n)} vs. {reference}")
        if ax.title.get_window_extent().width <= room:
            return


def _legend(on: Figure | Axes, table: pd.DataFrame) -> None:
    """Say what the colours mean: below the panels, where no name of a gene can be."""
    found = set(np.sign(table["log2fc"].dropna()))
    handles = [
        Line2D([], [], ls="none", marker="o", ms=3, color=colour, label=label)
        for sign, colour, label in ((1, VERMILLION, "higher in the group"), (-1, BLUE, "lower in the group"))
        if sign in found
    ]
    if handles:
        # Axes that were given have their own surroundings
        place = (
            {"loc": "outside lower right", "ncols": 2, "columnspacing": 1.0}
            if isinstance(on, plt.Figure)
            else {"loc": "upper right"}
        )
        on.legend(handles=handles, handletextpad=0.1, borderaxespad=0.1, **place)
