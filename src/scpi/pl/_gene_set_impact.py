from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.colors import PowerNorm

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._checks import check_choice
from scpi.pl._figure import shorten
from scpi.pl._set_heatmap import POWER, SHOWN, choose, draw, parts_chosen, scaled_by_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_LABEL = {
    "zscore": "z against sets of the same expression",
    "specificity": "z, minus means of unit and set",
    "impact": "Impact",
}


@fill
def gene_set_impact(
    data: AnnData | MuData,
    *,
    units: Sequence[str] | str | None = None,
    sets: Sequence[str] | str | None = None,
    n_units: int = 24,
    n_sets: int = 25,
    values: Literal["zscore", "specificity", "impact"] = "zscore",
    style: Literal["paper"] | None = None,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.GENE_SET_IMPACT,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | Figure | None:
    """Draw a heatmap of the impact of gene sets on latent units.

    Dots mark significant impacts: `pval_adj` of :func:`scpi.tl.gene_set_impact`. A set names a unit only if it passes a
    second test as well, of the leading genes of the unit, so that a unit with dots may have "no set" in
    :func:`scpi.get.unit_annotation`. Similar units, and similar sets, are next to each other.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.gene_set_impact` has been run on it.
    %(impact_units)s
    values
        `"zscore"`, `"specificity"` (the z-score minus the means of its unit and of its set) or `"impact"` (the statistic).
    style
        `"paper"` draws impacts in the style of Kinalis et al. (BMC Bioinformatics 20, 2019). They are scaled to between
        0 and 1 within each set, raised to the power of 5 and drawn in grey, for units with a scaled impact above 0.7
        only. At least one unit is then black for every set, even if impacts are noise. No dots are drawn.
    %(significant_pval_cutoff)s
    %(result_key)s
    %(mod)s
    %(figure_ax)s

    %(axes_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If there is no such unit or set, or `values` or `style` is unknown.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(300, 200, 4, n_genes_per_program=20)
    >>> adata.varm["gene_sets"] = adata.varm["programs"] != 0
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> scpi.tl.gene_set_impact(adata, key="loadings")
    >>> axes = scpi.pl.gene_set_impact(adata, show=False)
    """
    adata = resolve_modality(data, mod)
    check_choice("values", values, _LABEL)
    check_choice("style", style, ["paper"], optional=True)
    stored = read_result(adata, key, tool=Key.uns.GENE_SET_IMPACT, part="zscore")
    paper = style == "paper"
    table = scaled_by_set(np.asarray(stored["impact"])) if paper else np.asarray(stored[values])
    rows, columns = choose(stored, units=units, sets=sets, n_units=n_units, n_sets=n_sets, by=table)
    if paper and units is None:
        rows = [row for row in rows if table[row, columns].max() > SHOWN]
    part = np.ix_(rows, columns)
    adjusted = np.asarray(stored["pval_adj"])[part].T
    colours: dict[str, Any] = {}
    if paper:
        colours = {"cmap": "Greys", "norm": PowerNorm(POWER, 0.0, 1.0), "ticks": (0.5, SHOWN, 0.8, 0.9, 1.0)}
    return draw(
        table[part].T,
        [shorten(str(stored["units"][i]), 24) for i in rows],
        [str(stored["sets"][i]) for i in columns],
        marks=None if paper else adjusted <= pval_cutoff,
        label="Impact, 0 to 1 in each set" if paper else _LABEL[values],
        xlabel="Unit" if paper else f"Unit (dot: adjusted p \N{LESS-THAN OR EQUAL TO} {pval_cutoff:g})",
        parts=parts_chosen(stored, rows, columns, units=units, sets=sets),
        ax=ax,
        figsize=figsize,
        show=show,
        return_fig=return_fig,
        **colours,
    )
