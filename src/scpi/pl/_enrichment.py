from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from scpi import get
from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._cut import inches
from scpi.pl._figure import (
    DIVERGING,
    GREY,
    PAGE_WIDTH,
    SMALL,
    colour_bar,
    finish,
    new_axes,
    note_part,
    set_labels,
    shorten,
    style,
    symmetric_limit,
)
from scpi.pl._order import similar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

# Area of the largest dot in square points, and -log10 p beyond which dots do not grow
_AREA, _LARGEST = 90.0, 10.0


@fill
def enrichment(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    sets: Sequence[str] | str | None = None,
    n_sets: int = 20,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.ENRICHMENT,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw the tests of gene sets in all comparisons as dots, sets x comparisons.

    The area of a dot grows with the logarithm of the adjusted p-value, and its colour is the mean log2 fold change of the
    genes of the set. Significant dots have a black edge.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.enrichment` has been run on it.
    groups
        Groups or contrasts to draw, in this order; all if ``None``.
    sets
        Gene sets to draw, in this order. If ``None``, the top set of each group, then the second of each, and so on,
        with similar sets next to each other.
    n_sets
        Maximum number of gene sets to draw if ``sets=None``.
    %(significant_pval_cutoff)s
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a group or a set was not tested.
    """
    results = get.enrichment(data, key=key, group=groups, mod=mod)
    tested = [str(name) for name in results["group"].unique()]
    columns = tested if groups is None else [groups] if isinstance(groups, str) else [str(name) for name in groups]
    rows = _rows(results, sets, n_sets)
    tables = {
        name: results.pivot(index="set", columns="group", values=name).reindex(index=rows, columns=columns).to_numpy()
        for name in ("pval_adj", "log2fc")
    }
    if sets is None:
        order = similar(tables["log2fc"])
        rows, tables = [rows[i] for i in order], {name: table[order] for name, table in tables.items()}
    y, x = np.nonzero(~np.isnan(tables["pval_adj"]))
    pval, change = tables["pval_adj"][y, x], tables["log2fc"][y, x]
    limit = symmetric_limit(change)
    scale = ScalarMappable(Normalize(-limit, limit), colormaps[DIVERGING])
    names = set_labels(rows, 38)
    if figsize is None:
        height = 0.8 + inches(shorten(name, 30) for name in columns) + 0.19 * len(rows)
        figsize = (min(PAGE_WIDTH, 1.4 + inches(names) + 0.26 * len(columns)), max(2.4, height))
    with style():
        figure, axes = new_axes(ax, figsize)
        edges: Any = np.where((pval <= pval_cutoff)[:, None], (0.0, 0.0, 0.0, 1.0), (0.6, 0.6, 0.6, 1.0))
        axes.scatter(x, y, s=_area(pval), c=scale.to_rgba(change), edgecolors=edges, linewidths=0.7, zorder=3)
        axes.set_xticks(range(len(columns)), [shorten(name, 30) for name in columns], rotation=90)
        axes.set_yticks(range(len(rows)), names)
        axes.set_xlim(-0.6, len(columns) - 0.4)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(color="#EEEEEE", lw=0.6, zorder=0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        for value in (0.05, 1e-3, 1e-10):
            label = f"{value:g}" if value > 1e-10 else "1e-10 or less"
            axes.scatter([], [], s=_area(np.array([value])), c=GREY, linewidths=0, label=label)
        edge = f"Adjusted p (black edge: \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})"
        legend: dict[str, Any] = {"title": edge, "title_fontsize": SMALL, "ncols": 3, "handletextpad": 0.1}
        if ax is None:
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", columnspacing=1.0, **legend)
        else:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), **legend)
        colour_bar(figure, scale, axes, r"Mean $\log_2$ fold change", shrink=0.5, aspect=15, pad=0.02)
        if sets is None:
            note_part(axes, (len(rows), results["set"].nunique(), "gene sets"))
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _rows(results: pd.DataFrame, sets: Sequence[str] | str | None, n_sets: int) -> list[str]:
    """Choose the given sets, or the top set of each group before the second of any."""
    if sets is not None:
        return among([str(name) for name in results["set"].unique()], sets, "gene set")
    best = results.sort_values(["rank", "pval"], kind="stable")["set"]
    return [str(name) for name in best.drop_duplicates()[: max(n_sets, 1)]]


def _area(pval: Any) -> Any:
    """Compute the area of the dot for an adjusted p-value."""
    return 4.0 + _AREA * np.minimum(-np.log10(np.maximum(pval, 1e-300)), _LARGEST) / _LARGEST
