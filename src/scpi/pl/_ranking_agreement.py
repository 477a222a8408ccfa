from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi.pl._cut import inches
from scpi.pl._figure import MAX_HEIGHT, PAGE_WIDTH, SMALL, colour_bar, finish, new_axes, shorten, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

    from scpi._ranking import AgreementMetric

# Minimum width in inches of a square with a number
_LEAST = 0.26
_TITLES = {
    "top_k_overlap": "Fraction of the top {k} of the row",
    "top_k_jaccard": "Jaccard index of the top {k}",
    "rank_biased_overlap": "Rank-biased overlap, p = {p:g}",
    "overlap_log_pval": r"$-\log_{{10}}$ p of the overlap of the top {k}",
}


@fill
def ranking_agreement(
    data: AnnData | MuData,
    keys: Sequence[str] | Mapping[str, str] | None = None,
    *,
    group: str | Sequence[str] | None = None,
    metric: AgreementMetric = "top_k_overlap",
    k: int = 100,
    p: float = 0.98,
    absolute: bool | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the pairwise agreement between rankings of genes.

    :func:`scpi.get.ranking_agreement` returns the same numbers.

    Parameters
    ----------
    %(data)s
    %(ranking_keys)s
    group
        Group or groups to compare; if `None`, those that all rankings have. The mean over the groups is drawn.
    metric
        :func:`scpi.metrics.top_k_overlap` (the row is the truth), :func:`scpi.metrics.top_k_jaccard`,
        :func:`scpi.metrics.rank_biased_overlap` or :func:`scpi.metrics.overlap_log_pval` (of one group).
    k
        Number of top genes; not used by the rank-biased overlap.
    p
        Persistence of the rank-biased overlap: the larger it is, the more genes below the top contribute.
    %(ranking_absolute)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    KeyError
        If one of the keys has no ranking, or there are fewer than two rankings.
    ValueError
        If fewer than two keys are given, the rankings have no group in common, or a group is not in all of them.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> for method in ("t-test", "wilcoxon"):
    ...     sc.tl.rank_genes_groups(adata, "bulk_labels", method=method, key_added=method)
    >>> panel = scpi.pl.ranking_agreement(adata, ["t-test", "wilcoxon"], show=False)
    """
    matrix = get.ranking_agreement(data, keys, group=group, metric=metric, k=k, p=p, absolute=absolute, mod=mod)
    values = matrix.to_numpy()
    names = [shorten(str(name), 24) for name in matrix.index]
    is_fraction = metric != "overlap_log_pval"
    if not is_fraction:
        values = np.abs(values / np.log(10.0))
    # The p-values on the diagonal depend only on the number of genes, and would dominate the colours
    others = values[~np.eye(len(values), dtype=bool)]
    highest = 1.0 if is_fraction else float(np.nanmax(others, initial=1.0))
    if figsize is None:
        room = min(PAGE_WIDTH - 1.25, MAX_HEIGHT - 0.4) - inches(names)
        side = min(max(0.42 * len(names), 1.2), room)
        figsize = (1.25 + inches(names) + side, 0.4 + inches(names) + side)
    with style():
        figure, axes = new_axes(ax, figsize)
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=highest, aspect="auto", interpolation="nearest")
        light = np.asarray(image.to_rgba(values))[..., :3] @ [0.299, 0.587, 0.114] > 0.5
        # Numbers of many rankings would overlap
        shown = values.shape if axes.get_window_extent().width / len(names) > _LEAST * figure.dpi else (0, 0)
        for row, column in np.ndindex(shown):
            value = values[row, column]
            axes.text(
                column,
                row,
                "" if np.isnan(value) else f"{value:.2f}" if is_fraction else f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=SMALL,
                color="black" if light[row, column] else "white",
            )
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        label, extend = _TITLES[metric].format(k=k, p=p), "neither" if is_fraction else "max"
        colour_bar(figure, image, axes, label, shrink=0.8, aspect=15, extend=extend)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)
