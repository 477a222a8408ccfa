from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import read_saliency
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
from scpi.pl._score_names import saliency_name
from scpi.pl._unit_titles import choose_units, unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

    from scpi._saliency import Sign

_COLUMNS = 4


@fill
def program(
    data: AnnData | MuData,
    *,
    units: str | Sequence[str] | None = None,
    n_units: int = 8,
    n_genes: int = 12,
    sign: Sign = "both",
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the genes with the largest scores of each latent unit as signed bars, one panel per unit.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.saliency` or :func:`scpi.tl.consensus_programs` has been run on it.
    %(strongest_units)s
    n_genes
        Number of genes per unit.
    %(program_sign)s
    key
        Entry of `adata.varm` with a score of each gene in each unit.
    %(annotation_key)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such scores.
    ValueError
        If there is no such unit, `sign` is unknown, or `ax` is given for several units.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 2, n_genes_per_program=10, signed=True)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> axes = scpi.pl.program(adata, key="loadings", show=False)
    """
    adata = resolve_modality(data, mod)
    scores, names = read_saliency(adata, key)
    chosen = choose_units(units, names, np.abs(scores).max(axis=0), n_units)
    frame = get.programs(adata, units=[str(names[i]) for i in chosen], top_n=n_genes, sign=sign, key=key)
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 36, width=20)
    with style():
        n_columns = min(_COLUMNS, len(chosen))
        height = 0.5 + 0.125 * max(title.count("\n") + 1 for title in titles) + 0.14 * n_genes
        size = (PAGE_WIDTH / max(n_columns, 2), height)
        figure, panels = panel_grid(len(chosen), ax, figsize, size=size, n_columns=_COLUMNS)
        for panel, unit, title in zip(panels, chosen, titles, strict=True):
            genes = frame[frame["unit"] == names[unit]]
            rows = np.arange(len(genes))
            score = genes["score"].to_numpy()
            panel.barh(rows, score, color=np.where(score > 0, VERMILLION, BLUE).tolist(), height=0.75)
            panel.axvline(0, color=GREY, lw=0.6)
            panel.set_yticks(rows, [shorten(gene, 14) for gene in genes["gene"]])
            panel.set_ylim(max(len(genes), 1) - 0.5, -0.5)
            panel.locator_params(axis="x", nbins=3)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_title(title)
        label_panels(panels, x=saliency_name(adata.uns.get(key)))
        if units is None:
            note_part(figure if ax is None else ax, (len(chosen), len(names), "units"), grow=figsize is None)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)
