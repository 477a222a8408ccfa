from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._ranking import read_ranking
from scpi._sequence import as_list
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, finish_panels, label_panels, panel_grid, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

_COLUMNS = 4


@fill
def paired_expression(
    data: AnnData | MuData,
    *,
    genes: str | Sequence[str] | None = None,
    splits: str | Sequence[str] | None = None,
    n_genes: int = 4,
    key: str = Key.uns.LIMMA,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the expression of genes in each sample, with a line between the samples of a donor.

    A difference that most donors share shows as lines of one direction, whatever the donors differ in. Bars are means of the
    groups.

    Parameters
    ----------
    %(data)s
        :func:`scpi.de.limma` has been run on it.
    genes
        Genes to draw, one row of panels each; if ``None``, those with the smallest p-values.
    splits
        Splits to draw, one panel each; all if ``None``.
    n_genes
        Maximum number of genes to draw if ``genes=None``.
    %(result_key)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such result.
    ValueError
        If a gene was not tested, there is no such split, or `ax` is given for several panels.
    """
    adata = resolve_modality(data, mod)
    chosen = _strongest(adata, key, n_genes) if genes is None else as_list(genes)
    frame = get.sample_expression(data, chosen, key=key, mod=mod)
    if splits is not None:
        there = sorted(frame["split"].unique())
        unknown = [name for name in as_list(splits) if name not in there]
        if unknown:
            msg = f"There is no split {unknown[0]!r}, only {', '.join(map(repr, there))}."
            raise ValueError(msg)
        frame = frame[frame["split"].isin(as_list(splits))]
    groups = _groups(frame, str(adata.uns[key]["params"].get("reference", "")))
    parts = list(frame.groupby(["gene", "split"], observed=True, sort=True))
    with style():
        figure, panels = panel_grid(len(parts), ax, figsize, size=(PAGE_WIDTH / _COLUMNS, 1.8), n_columns=_COLUMNS)
        for panel, ((gene, split), part) in zip(panels, parts, strict=True):
            _draw(panel, part, groups)
            panel.set_title(shorten(str(gene), 24) + ("" if split == "all" else f"\n{shorten(str(split), 24)}"))
        label_panels(panels, _COLUMNS, x="", y=r"$\log_2$ CPM")
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _strongest(adata: AnnData, key: str, n_genes: int) -> list[str]:
    """Genes with the smallest p-value in any comparison."""
    ranking = read_ranking(adata, key)
    best = np.nanmin(np.where(np.isnan(ranking.log10_pvals), 0.0, ranking.log10_pvals), axis=0)
    return [str(ranking.genes[i]) for i in np.argsort(best, kind="stable")[: max(n_genes, 1)]]


def _groups(frame: pd.DataFrame, reference: str) -> list[str]:
    """Groups in alphabetical order, the reference first."""
    return sorted(frame["group"].unique(), key=lambda name: (name != reference, name))


def _draw(panel: Axes, part: pd.DataFrame, groups: list[str]) -> None:
    place = part["group"].map({name: x for x, name in enumerate(groups)}).to_numpy(dtype=np.float64)
    values, donors = part["log2_cpm"].to_numpy(), part["donor"].to_numpy()
    for donor in np.unique(donors):
        own = np.flatnonzero(donors == donor)
        order = own[np.argsort(place[own], kind="stable")]
        panel.plot(place[order], values[order], color=GREY, lw=0.7, zorder=1)
    panel.scatter(place, values, s=12, color=BLUE, linewidths=0, zorder=2)
    for x in np.unique(place):
        panel.hlines(values[place == x].mean(), x - 0.25, x + 0.25, color="black", lw=1.2, zorder=3)
    panel.set_xticks(range(len(groups)), [shorten(name, 12) for name in groups])
    panel.set_xlim(-0.5, len(groups) - 0.5)
    panel.tick_params(length=2)
    panel.spines[["top", "right"]].set_visible(False)
