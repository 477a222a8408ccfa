from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._saliency import find_units, read_saliency
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, VERMILLION, finish, panel_grid, shorten, style
from scpi.pl._unit_titles import unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scpi._saliency import Sign

_COLUMNS = 4


@fill
def program(
    adata: AnnData,
    *,
    units: str | Sequence[str] | None = None,
    n_units: int = 8,
    n_genes: int = 12,
    sign: Sign = "both",
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the genes that move each latent unit most, with their signs, a panel for each unit.

    Parameters
    ----------
    %(adata)s
        :func:`scpi.tl.saliency` or :func:`scpi.tl.consensus_programs` has been run on it.
    units
        Unit or units to draw, in this order; if `None`, those with the largest scores.
    n_units
        Most units to draw, where they are not chosen.
    n_genes
        Number of genes of each unit.
    sign
        `"both"`: the genes of the largest sizes. `"positive"` or `"negative"`: those of that sign only.
    key
        Entry of `adata.varm` with a score of each gene in each unit.
    annotation_key
        Entry of `adata.uns` that :func:`scpi.tl.annotate_units` wrote: the sets that units stand for become titles,
        where they are there, with a minus before those that the unit lowers.
    %(ax)s
        Takes a single unit.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such scores.
    ValueError
        If there is no such unit, `sign` is unknown, or `ax` is given for several.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 2, n_genes_per_program=10, signed=True)
    >>> adata.varm["loadings"] = adata.varm["programs"]
    >>> axes = scpi.pl.program(adata, key="loadings", show=False)
    """
    scores, names = read_saliency(adata, key)
    chosen = find_units(units, names)
    if units is None:
        chosen = sorted(np.argsort(-np.abs(scores).max(axis=0), kind="stable")[:n_units].tolist())
    frame = get.programs(adata, units=[str(names[i]) for i in chosen], top_n=n_genes, sign=sign, key=key)
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 36, width=20)
    with style():
        n_columns = min(_COLUMNS, len(chosen))
        size = (PAGE_WIDTH / max(n_columns, 2), 0.6 + 0.14 * n_genes)
        figure, panels = panel_grid(len(chosen), ax, figsize, size=size, n_columns=_COLUMNS)
        for panel, unit, title in zip(panels, chosen, titles, strict=True):
            one = frame[frame["unit"] == names[unit]]
            places = np.arange(len(one))
            score = one["score"].to_numpy()
            panel.barh(places, score, color=np.where(score > 0, VERMILLION, BLUE).tolist(), height=0.75)
            panel.axvline(0, color=GREY, lw=0.6)
            panel.set_yticks(places, [shorten(gene, 14) for gene in one["gene"]])
            panel.set_ylim(max(len(one), 1) - 0.5, -0.5)
            panel.locator_params(axis="x", nbins=3)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_title(title)
        for i, panel in enumerate(panels):
            panel.set_xlabel("Score" if i + n_columns >= len(panels) else "")
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)
