from __future__ import annotations

from typing import TYPE_CHECKING

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._boxes import by_median, draw_boxes
from scpi.pl._cut import inches
from scpi.pl._figure import GREY, PAGE_WIDTH, finish_panels, n_columns_of, panel_grid, shorten, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def ranking_accuracy(
    data: AnnData | MuData,
    keys: Sequence[str] | Mapping[str, str] | str | None = None,
    *,
    truth: str | pd.DataFrame = Key.varm.LOG2FC_REST,
    k: Sequence[int | None] | int | None = (30, 100, None),
    match: Mapping[str, str] | None = None,
    absolute: bool | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the fraction of truly changed genes among the top genes of each ranking, as a box over the groups.

    The dashed line is the expected value for a random order of the genes. Rankings are ordered by their median over all
    panels. :func:`scpi.get.ranking_accuracy` returns the same numbers, and :func:`scpi.benchmark.accuracy_boxplots` draws
    those of several data sets.

    Parameters
    ----------
    %(data)s
    %(ranking_keys)s
    truth
        True changes, genes x groups, with zero for genes that do not change: an entry of `adata.varm`, or a DataFrame.
    k
        Numbers of top genes, one panel per number; `None` stands for the number of truly changed genes.
    match
        Group of the truth for each group of the rankings, as returned by :func:`scpi.metrics.match_labels`.
    %(ranking_absolute)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If one of the keys has no ranking, or there is no such truth.
    ValueError
        If no group of a ranking is in the truth, or `ax` is given for several numbers of genes.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.splat(200, n_genes=300, de_prob=0.2, de_fac_scale=1.0)
    >>> scpi.de.rank_genes(adata, "group", method="wilcoxon")
    >>> panel = scpi.pl.ranking_accuracy(adata, k=10, absolute=True, show=False)
    """
    table = get.ranking_accuracy(data, keys, truth=truth, k=k, match=match, absolute=absolute, mod=mod)
    order = by_median(table, value="accuracy", by="ranking")
    depths = list(dict.fromkeys(table["k"]))
    n_columns = min(len(depths), 3)
    width = min(PAGE_WIDTH, inches(shorten(name, 32) for name in order) + 1.9 * n_columns)
    size = width / n_columns, 0.75 + 0.24 * len(order)
    with style():
        figure, panels = panel_grid(len(depths), ax, figsize, size=size, n_columns=3)
        for i, (panel, depth) in enumerate(zip(panels, depths, strict=True)):
            scores = table[table["k"] == depth]
            draw_boxes(panel, scores, value="accuracy", by="ranking", order=order)
            panel.axvline(scores["chance"].mean(), color=GREY, ls="--", lw=0.8, zorder=1)
            panel.set_xlim(-0.02, 1.02)
            panel.set_title("All truly changed genes" if depth == "all" else f"First {depth} genes")
            panel.set_xlabel("Accuracy (dashed: chance)")
            if i % n_columns_of(panels):
                panel.tick_params(axis="y", labelleft=False)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)
