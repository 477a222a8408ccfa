from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from scpi import get
from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi.pl._cut import inches
from scpi.pl._figure import (
    DIVERGING,
    GREY,
    MAX_HEIGHT,
    PAGE_WIDTH,
    colour_bar,
    finish,
    new_axes,
    shorten,
    some_names,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

# Height in inches of the dendrogram, and sides of the squares of significant and of other pairs
_TREE = 0.45
_LARGE, _SMALL = 0.94, 0.4
# Length of the names of perturbations without an effect, in widths of the heatmap
_LINES = 1.6


@fill
def perturbation_similarity(
    data: AnnData | MuData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_perturbations: int = 40,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.PERTURBATION_SIMILARITY,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the similarity of perturbations, in the order of a dendrogram.

    Pairs that are not significant have small squares. The dendrogram is that of average linkage, with one minus the
    similarity as the distance. Perturbations whose effect does not exceed noise are named below the heatmap.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.perturbation_similarity` has been run on it.
    perturbations
        Perturbations to draw; if `None`, those with the strongest effects.
    n_perturbations
        Maximum number of perturbations to draw if `perturbations=None`.
    pval_cutoff
        Largest adjusted p-value of a pair that counts as significant.
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    Returns
    -------
    The axes of the heatmap if the figure is not shown, or the figure if `return_fig=True`.

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a perturbation is unknown, or fewer than two perturbations with an effect are to be drawn.
    """
    adata = resolve_modality(data, mod)
    results = get.perturbation_similarity(adata, output="perturbations", key=key)
    shown, without = _chosen(results, perturbations, n_perturbations)
    similarity = get.perturbation_similarity(adata, output="matrix", key=key).loc[shown, shown].to_numpy()
    significant = _significant(adata, key, shown, pval_cutoff)
    tree = hierarchy.linkage(
        squareform(np.maximum(1 - similarity, 0), checks=False), method="average", optimal_ordering=True
    )
    order = hierarchy.leaves_list(tree)
    similarity, significant = similarity[np.ix_(order, order)], significant[np.ix_(order, order)]
    names = [shorten(shown[i], 24) for i in order]
    if figsize is None:
        side = min(
            PAGE_WIDTH - 1.1 - inches(names), MAX_HEIGHT - 1.4 - _TREE - inches(names), max(0.2 * len(names), 1.6)
        )
        figsize = (1.1 + inches(names) + side, 1.0 + _TREE + inches(names) + side)
    with style():
        figure, axes = new_axes(ax, figsize)
        top = _above(figure, axes, figsize[1])
        _draw_tree(top, tree)
        squares = _squares(similarity, significant)
        axes.add_collection(squares)
        axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5))
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_color("#CCCCCC")
        if without:
            without = [shorten(name, 24) for name in without]
            room = _LINES * axes.get_window_extent().width / figure.dpi
            listed = some_names(without, max(int(room / (inches(without) + 0.15)), 1))
            axes.set_xlabel(f"No effect beyond noise: {listed}")
        marks = [
            Line2D([], [], ls="", marker="s", ms=size, color=GREY, markeredgewidth=0, label=label)
            for size, label in ((7, f"adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g}"), (3, "not significant"))
        ]
        top.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handletextpad=0.2)
        colour_bar(figure, squares, axes, "Similarity of effects", shrink=0.8, aspect=15, ticks=[-1, -0.5, 0, 0.5, 1])
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def _chosen(results: pd.DataFrame, perturbations: Sequence[str] | str | None, n: int) -> tuple[list[str], list[str]]:
    """Choose the perturbations to draw, and those of the requested ones without an effect."""
    names = results["perturbation"].astype(str)
    wanted = names[names.isin(among(names.tolist(), perturbations, "perturbation"))]
    has_effect = results["has_effect"].astype(bool)[wanted.index]
    shown = wanted[has_effect].tolist()
    shown = shown[: max(n, 0)] if perturbations is None else shown
    if len(shown) < 2:
        msg = (
            f"A heatmap needs at least 2 perturbations with an effect, but there are {len(shown)}, of the {len(wanted)} "
            "that were requested."
        )
        raise ValueError(msg)
    return shown, wanted[~has_effect].tolist()


def _significant(adata: AnnData, key: str, shown: list[str], pval_cutoff: float) -> NDArray[np.bool_]:
    """Find the significant pairs, as a square matrix."""
    pairs = get.perturbation_similarity(adata, key=key)
    pairs = pairs[(pairs["pval_adj"] <= pval_cutoff) & pairs["perturbation"].isin(shown) & pairs["other"].isin(shown)]
    place = {name: i for i, name in enumerate(shown)}
    first, second = (pairs[column].map(place).to_numpy(dtype=np.intp) for column in ("perturbation", "other"))
    found = np.zeros((len(shown), len(shown)), dtype=bool)
    found[first, second] = found[second, first] = True
    return found


def _squares(similarity: NDArray[np.float64], significant: NDArray[np.bool_]) -> PolyCollection:
    """Draw a square for each pair, large if it is significant, without the diagonal."""
    row, column = np.nonzero(~np.eye(len(similarity), dtype=bool))
    half = np.where(significant[row, column], _LARGE, _SMALL)[:, None, None] / 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    squares = PolyCollection(
        np.stack([column, row], axis=1)[:, None] + half * corners, cmap=DIVERGING, norm=Normalize(-1, 1), lw=0
    )
    squares.set_array(similarity[row, column])
    return squares


def _draw_tree(ax: Axes, tree: NDArray[Any]) -> None:
    """Draw a dendrogram whose leaves are the columns of the heatmap."""
    drawn = hierarchy.dendrogram(tree, no_plot=True)
    for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True):
        # SciPy puts the leaves at 5, 15, 25, ...
        ax.plot((np.array(x) - 5) / 10, y, color="black", lw=0.6)
    ax.set_ylim(0, None)
    ax.set_axis_off()


def _above(figure: Figure, ax: Axes, height: float) -> Axes:
    """Divide the area of the axes into the heatmap and, above it, axes for the dendrogram."""
    ratios = (_TREE, max(height - 1.0 - _TREE, 1.0))
    spec = ax.get_subplotspec()
    if spec is None:
        box = ax.get_position()
        grid: Any = figure.add_gridspec(
            2, 1, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1, height_ratios=ratios, hspace=0
        )
    else:
        grid = spec.subgridspec(2, 1, height_ratios=ratios, hspace=0)
    ax.set_subplotspec(grid[1, 0])
    return figure.add_subplot(grid[0, 0], sharex=ax)
