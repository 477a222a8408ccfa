from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._de_panels import (
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
def ma(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.LIMMA,
    groups: Sequence[str] | str | None = None,
    expression: str = "ave_expr",
    n_panels: int = 6,
    genes: Sequence[str] | None = None,
    n_genes: int = 6,
    pval_cutoff: float = 0.05,
    log2fc_min: float = 0.0,
    log2fc_limit: float = 15.0,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the fold change of each gene against its average expression (MA plot), one panel for each group.

    Without a bias the cloud lies around the line at zero for every expression. Genes are coloured where the adjusted
    p-value and the fold change both pass.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` with a ranking of genes, as :func:`scpi.de.limma` or :func:`scpi.de.rank_genes` writes it.
    groups
        Groups to draw, in this order; if `None`, those with the most genes below an adjusted p-value of 0.05.
    expression
        The average expression: what the test stored under this name, or a column of `adata.var`, such as the
        `log1p_mean_counts` of :func:`scanpy.pp.calculate_qc_metrics`.
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
        Larger changes are triangles at the edge.
    %(mod)s
    %(ax)s
        Takes a single group.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such ranking, or no such average expression.
    ValueError
        If a group or a gene was not tested, the ranking has no p-values, or `ax` is given for several groups.
    """
    tests = tests_of_groups(data, key, groups, n_panels=n_panels, mod=mod)
    named = genes_to_name(data, tests, genes, key=key, mod=mod)
    averages = [_average(resolve_modality(data, mod), frame, expression) for frame in tests.values()]
    with style():
        figure, panels = panel_grid(len(tests), ax, figsize, size=(2.36, 2.2), n_columns=3)
        n_columns = min(3, len(panels))
        points = []
        for i, (panel, (group, frame), x) in enumerate(zip(panels, tests.items(), averages, strict=True)):
            y, beyond = within_axis(frame["log2fc"].to_numpy(), log2fc_limit)
            points.append((x, y))
            direction = directions(frame, pval_cutoff, log2fc_min)
            panel.axhline(0, color=GREY, lw=0.6, zorder=1)
            if log2fc_min > 0:
                for side in (-log2fc_min, log2fc_min):
                    panel.axhline(side, color=GREY, lw=0.6, ls="--", zorder=1)
            draw_genes(panel, x, y, direction, beyond=beyond)
            panel.margins(0.08)
            title_with_counts(panel, group, direction)
            panel.set_xlabel("Average expression" if i + n_columns >= len(panels) else "")
            panel.set_ylabel(r"$\log_2$ fold change" if i % n_columns == 0 else "")
        # Labels need the final layout of all panels
        for panel, frame, (x, y) in zip(panels, tests.values(), points, strict=True):
            direction = directions(frame, pval_cutoff, log2fc_min)
            name_genes(panel, x, y, frame, direction, genes=named, n_genes=n_genes)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _average(adata: AnnData, frame: pd.DataFrame, name: str) -> np.ndarray:
    """Average expression of the genes of a panel."""
    if name in frame:
        return frame[name].to_numpy(dtype=np.float64)
    if name in adata.var:
        return adata.var[name].reindex(frame["gene"]).to_numpy(dtype=np.float64)
    msg = (
        f"The ranking has no {name!r}, as those of scanpy have none. Name one of the columns of `adata.var` with "
        f"`expression=`: {listed(adata.var.columns)}."
    )
    raise KeyError(msg)
