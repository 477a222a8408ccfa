from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi.pl._de_panels import (
    SMALLEST,
    directions,
    draw_genes,
    genes_to_name,
    name_genes,
    tests_of_groups,
    title_with_counts,
    within_axis,
)
from scpi.pl._figure import GREY, finish, panel_grid, style

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
    genes: Sequence[str] | None = None,
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
    """Draw the p-value of each gene against its fold change, one panel for each group.

    Genes are coloured where the adjusted p-value and the fold change both pass; the dashed lines show where. The
    height is that of the p-value itself, taken from its stored logarithm, so that it does not end where a float does.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as :func:`scpi.de.rank_genes`, :func:`scpi.de.limma` or
        :func:`scanpy.tl.rank_genes_groups` writes it.
    groups
        Groups to draw, in this order; if `None`, those with the most genes below an adjusted p-value of 0.05.
    n_panels
        Most groups to draw, where they are not chosen.
    genes
        Genes to name; if `None`, those with the smallest p-values among the changed.
    n_genes
        Number of genes to name, where they are not chosen.
    pval_cutoff
        Largest adjusted p-value of a gene that counts as changed.
    log2fc_min
        Smallest size of the log2 fold change of a gene that counts as changed.
    log2fc_limit
        Larger changes, such as those of genes that one side does not express at all, are triangles at the edge.
    %(mod)s
    %(ax)s
        Takes a single group.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such ranking.
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
        drawn = [_panel(panel, frame, log2fc_limit) for panel, frame in zip(panels, tests.values(), strict=True)]
        n_columns = min(3, len(panels))
        for i, (panel, (group, frame), (x, y, beyond)) in enumerate(zip(panels, tests.items(), drawn, strict=True)):
            direction = directions(frame, pval_cutoff, log2fc_min)
            draw_genes(panel, x, y, direction, beyond=beyond)
            passed = frame["pval_adj"].to_numpy() <= pval_cutoff
            if passed.any():
                panel.axhline(y[passed].min(), color=GREY, lw=0.6, ls="--", zorder=1)
            for side in (-log2fc_min, log2fc_min):
                panel.axvline(side, color=GREY, lw=0.6, ls="--", zorder=1)
            title_with_counts(panel, group, direction)
            panel.set_xlabel(r"$\log_2$ fold change" if i + n_columns >= len(panels) else "")
            panel.set_ylabel(r"$-\log_{10}$ p" if i % n_columns == 0 else "")
        # Labels need the final layout of all panels
        for panel, frame, (x, y, _) in zip(panels, tests.values(), drawn, strict=True):
            direction = directions(frame, pval_cutoff, log2fc_min)
            name_genes(panel, x, y, frame, direction, genes=named, n_genes=n_genes)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _panel(ax: Axes, frame: pd.DataFrame, limit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale the axes; give the points and whether they lie beyond."""
    x, beyond = within_axis(frame["log2fc"].to_numpy(), limit)
    height = -frame["log10_pval"].to_numpy()
    # Where p was stored as zero its logarithm is not finite
    y = np.where(np.isposinf(height), -SMALLEST, height)
    # Symmetric, and wide enough for a label on both sides of the outermost point
    width = 1.25 * float(np.nanmax(np.abs(x), initial=1.0))
    ax.set_xlim(-width, width)
    ax.set_ylim(-0.02 * np.nanmax(y, initial=1.0), 1.12 * np.nanmax(y, initial=1.0))
    ax.locator_params(axis="x", nbins=6)
    return x, y, beyond | np.isposinf(height)
