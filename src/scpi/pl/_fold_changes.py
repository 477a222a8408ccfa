from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._figure import (
    BLUE,
    GREY,
    PAGE_WIDTH,
    VERMILLION,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_COLUMNS = 3


@fill
def fold_changes(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    genes: Sequence[str] | str | None = None,
    n_genes: int = 12,
    n_panels: int = 6,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.LIMMA,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw log2 fold changes as bars with their 95 %% intervals, one panel per comparison.

    Bars of genes that do not change significantly are grey. Intervals are not adjusted for the number of genes.

    Parameters
    ----------
    %(data)s
        :func:`scpi.de.limma` has been run on it.
    groups
        Groups or contrasts to draw, in this order; if ``None``, the first ones.
    genes
        Genes to draw in every panel, in this order; if ``None``, those with the smallest p-values of each comparison.
    n_genes
        Maximum number of genes per panel if ``genes=None``.
    n_panels
        Maximum number of comparisons to draw if ``groups=None``.
    %(significant_pval_cutoff)s
    %(result_key)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    %(ranking_KeyError)s
    ValueError
        If a group or gene was not tested, the ranking has no intervals, or `ax` is given for several comparisons.
    """
    frame = get.de_df(data, key=key, group=groups, mod=mod)
    if "ci_low" not in frame:
        msg = f"The ranking {key!r} has no intervals of fold changes: `scpi.de.limma` gives them."
        raise ValueError(msg)
    tested = [str(name) for name in frame["group"].unique()]
    chosen = tested[:n_panels] if groups is None else [str(name) for name in as_list(groups)]
    parts = [_of_group(frame[frame["group"] == name], genes, n_genes) for name in chosen]
    with style():
        size = (PAGE_WIDTH / _COLUMNS, 0.8 + 0.15 * max(len(part) for part in parts))
        figure, panels = panel_grid(len(chosen), ax, figsize, size=size, n_columns=_COLUMNS)
        for panel, name, part in zip(panels, chosen, parts, strict=True):
            rows = np.arange(len(part))
            fold = part["log2fc"].to_numpy()
            direction: Any = np.where(fold > 0, VERMILLION, BLUE)
            colours = np.where(part["pval_adj"] <= pval_cutoff, direction, "#CCCCCC")
            panel.barh(rows, fold, color=colours, height=0.7, zorder=2)
            panel.hlines(rows, part["ci_low"], part["ci_high"], color="black", lw=0.8, zorder=3)
            panel.axvline(0, color=GREY, lw=0.6, zorder=1)
            panel.set_yticks(rows, [shorten(str(gene), 16) for gene in part["gene"]])
            panel.set_ylim(len(part) - 0.4, -0.6)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_title(shorten(name, 30))
        label_panels(panels, x=r"$\log_2$ fold change")
        note_part(figure if ax is None else ax, (len(chosen), len(tested), "comparisons"), grow=figsize is None)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _of_group(frame: pd.DataFrame, genes: Sequence[str] | str | None, n_genes: int) -> pd.DataFrame:
    """Choose the genes of one comparison: the given ones, or the most significant ones, ordered by fold change."""
    if genes is None:
        best = frame.sort_values("log10_pval", kind="stable").head(max(n_genes, 1))
        return best.sort_values("log2fc", ascending=False, kind="stable")
    named = frame.set_index("gene", drop=False)
    missing = [gene for gene in as_list(genes) if gene not in named.index]
    if missing:
        msg = f"These genes were not tested in {frame['group'].iloc[0]!r}: {listed(missing)}."
        raise ValueError(msg)
    return named.loc[as_list(genes)]
