from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._de_panels import LOG10_SMALLEST, draw_tests, genes_to_name, part_of_groups, tests_of_groups, within_axis
from scpi.pl._figure import GREY, finish_panels, panel_grid, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def volcano(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.RANK_GENES,
    groups: Sequence[str] | str | None = None,
    n_panels: int = 6,
    genes: Sequence[str] | str | None = None,
    n_genes: int = 8,
    pval_cutoff: float = 0.05,
    log2fc_min: float = 1.0,
    log2fc_limit: float = 15.0,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the p-value of each gene against its log fold change (volcano plot), one panel per group.

    Genes are coloured if both the adjusted p-value and the fold change pass their thresholds (dashed lines). The
    vertical axis is the unadjusted p-value. It is read from its stored logarithm, which distinguishes p-values below
    the smallest float.

    Parameters
    ----------
    %(data)s
    %(tested_key)s
    %(changed_genes)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such ranking.
    ValueError
        If a group or a gene was not tested, the ranking has no p-values, or `ax` is given for several groups.

    Examples
    --------
    >>> import scanpy as sc
    >>> import scpi
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    >>> panel = scpi.pl.volcano(adata, groups="Dendritic", show=False)
    """
    tests = tests_of_groups(data, key, groups, n_panels=n_panels, mod=mod)
    named = genes_to_name(data, tests, genes, key=key, mod=mod)
    with style():
        figure, panels = panel_grid(len(tests), ax, figsize, size=(2.36, 2.5), n_columns=3)
        points = [_points(panel, frame, log2fc_limit) for panel, frame in zip(panels, tests.values(), strict=True)]
        for panel, frame, (_, y, _) in zip(panels, tests.values(), points, strict=True):
            passed = frame["pval_adj"].to_numpy() <= pval_cutoff
            if passed.any():
                panel.axhline(y[passed].min(), color=GREY, lw=0.6, ls="--", zorder=1)
            for side in (-log2fc_min, log2fc_min):
                panel.axvline(side, color=GREY, lw=0.6, ls="--", zorder=1)
        draw_tests(
            panels,
            tests,
            points,
            xlabel=r"$\log_2$ fold change",
            ylabel=r"$-\log_{10}$ p",
            pval_cutoff=pval_cutoff,
            log2fc_min=log2fc_min,
            genes=named,
            n_genes=n_genes,
            ax=ax,
            part=part_of_groups(data, key, groups, len(tests), mod=mod),
        )
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _points(ax: Axes, frame: pd.DataFrame, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set the limits of the axes; return the coordinates of the genes and a mask of those beyond the limits."""
    x, beyond = within_axis(frame["log2fc"].to_numpy(), limit)
    height = -frame["log10_pval"].to_numpy()
    # P-values that were stored as zero have an infinite logarithm
    y = np.where(np.isposinf(height), -LOG10_SMALLEST, height)
    # Symmetric, with room for a label beside the outermost point
    width = 1.25 * float(np.nanmax(np.abs(x), initial=1.0))
    ax.set_xlim(-width, width)
    ax.set_ylim(-0.02 * np.nanmax(y, initial=1.0), 1.12 * np.nanmax(y, initial=1.0))
    ax.locator_params(axis="x", nbins=6)
    return x, y, beyond | np.isposinf(height)
