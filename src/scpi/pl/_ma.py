from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._de_panels import draw_tests, genes_to_name, part_of_groups, tests_of_groups, within_axis
from scpi.pl._figure import GREY, finish_panels, panel_grid, style

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
    n_panels: int = 6,
    genes: Sequence[str] | str | None = None,
    n_genes: int = 6,
    pval_cutoff: float = 0.05,
    log2fc_min: float = 0.0,
    log2fc_limit: float = 15.0,
    expression: str = "ave_expr",
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the fold change of each gene against its average expression (MA plot), one panel per group.

    Without bias, fold changes scatter around zero at every expression level. Genes are coloured if both the adjusted
    p-value and the fold change pass their thresholds.

    Parameters
    ----------
    %(data)s
    %(tested_key)s
    %(changed_genes)s
    expression
        Average expression: a value that the test stored under this name, or a column of `adata.var`, such as
        `log1p_mean_counts` of :func:`scanpy.pp.calculate_qc_metrics`.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such ranking, or no such average expression.
    ValueError
        If a group or a gene was not tested, the ranking has no p-values, or `ax` is given for several groups.
    """
    tests = tests_of_groups(data, key, groups, n_panels=n_panels, mod=mod)
    named = genes_to_name(data, tests, genes, key=key, mod=mod)
    averages = [_average(resolve_modality(data, mod), frame, expression) for frame in tests.values()]
    with style():
        figure, panels = panel_grid(len(tests), ax, figsize, size=(2.36, 2.2), n_columns=3)
        for panel in panels:
            panel.axhline(0, color=GREY, lw=0.6, zorder=1)
            if log2fc_min > 0:
                for side in (-log2fc_min, log2fc_min):
                    panel.axhline(side, color=GREY, lw=0.6, ls="--", zorder=1)
            panel.margins(0.08)
        folds = [within_axis(frame["log2fc"].to_numpy(), log2fc_limit) for frame in tests.values()]
        draw_tests(
            panels,
            tests,
            [(x, y, beyond) for x, (y, beyond) in zip(averages, folds, strict=True)],
            xlabel="Average expression",
            ylabel=r"$\log_2$ fold change",
            pval_cutoff=pval_cutoff,
            log2fc_min=log2fc_min,
            genes=named,
            n_genes=n_genes,
            ax=ax,
            part=part_of_groups(data, key, groups, len(tests), mod=mod),
        )
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _average(adata: AnnData, frame: pd.DataFrame, name: str) -> np.ndarray:
    """Find the average expression of the genes of a panel, in its ranking or in `adata.var`."""
    if name in frame:
        return frame[name].to_numpy(dtype=np.float64)
    if name in adata.var:
        return adata.var[name].reindex(frame["gene"]).to_numpy(dtype=np.float64)
    msg = (
        f"The ranking has no {name!r}, like all rankings of scanpy. Set `expression=` to a column of `adata.var`: "
        f"{listed(adata.var.columns)}."
    )
    raise KeyError(msg)
