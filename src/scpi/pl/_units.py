from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._saliency import read_units
from scpi._slots import listed
from scpi.pl._figure import (
    PAGE_WIDTH,
    colour_bar,
    finish_panels,
    note_part,
    panel_grid,
    style,
)
from scpi.pl._unit_titles import choose_units, unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

_COLUMNS = 4


@fill
def units(
    data: AnnData | MuData,
    *,
    units: str | Sequence[str] | None = None,
    n_units: int = 12,
    basis: str = "X_umap",
    use_rep: str = "X_scpi",
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    size: float | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the activity of latent units on an embedding of the cells, one panel per unit.

    Colours range from the 1st to the 99th percentile of the unit. Cells with the highest activity are drawn on top.

    Parameters
    ----------
    %(data)s
    units
        Unit or units to draw, in this order; if `None`, those with the largest variance.
    n_units
        Maximum number of units to draw if `units=None`.
    basis
        Entry of `adata.obsm` with the embedding; its first two columns are drawn.
    use_rep
        Entry of `adata.obsm` with the latent units, cells x units, such as the result of
        `model.get_latent_representation()`.
    key
        Entry of `adata.uns` written by :func:`scpi.tl.saliency`, with the names of the units. Without it, units are
        numbered, unless the latent units are a DataFrame.
    %(annotation_key)s
    size
        Area of a dot in square points; if `None`, it decreases with the number of cells.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such embedding or latent units.
    ValueError
        If there is no such unit, or `ax` is given for several units.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 2, n_genes_per_program=10)
    >>> adata.obsm["X_umap"] = adata.obsm["programs"].to_numpy()
    >>> axes = scpi.pl.units(adata, use_rep="programs", show=False)
    """
    adata = resolve_modality(data, mod)
    values, names = read_units(adata, use_rep, key)
    if basis not in adata.obsm:
        msg = (
            f"`adata.obsm` has no embedding {basis!r}, only {listed(adata.obsm)}. Compute one with `scanpy.pp.neighbors` on "
            "the latent units and `scanpy.tl.umap`, or set `basis=`; `scpi.tl.cluster(adata)` stores latent units."
        )
        raise KeyError(msg)
    embedding = np.asarray(adata.obsm[basis])[:, :2]
    chosen = choose_units(units, names, values.var(axis=0), n_units)
    size = float(np.clip(20_000 / max(len(values), 1), 0.5, 12.0)) if size is None else size
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 36, width=20)
    with style():
        n_columns = min(_COLUMNS, len(chosen))
        width = PAGE_WIDTH / max(n_columns, 2)
        panel_size = (width, 0.8 * width + 0.125 * max(title.count("\n") + 1 for title in titles))
        figure, panels = panel_grid(len(chosen), ax, figsize, size=panel_size, n_columns=_COLUMNS)
        for panel, unit, title in zip(panels, chosen, titles, strict=True):
            _draw_unit(figure, panel, embedding, values[:, unit], size)
            panel.set_title(title)
        if units is None:
            note_part(figure if ax is None else ax, (len(chosen), len(names), "units"))
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _draw_unit(
    figure: Figure, panel: Axes, embedding: NDArray[np.float64], values: NDArray[np.float64], size: float
) -> None:
    order = np.argsort(values, kind="stable")
    low, high = np.quantile(values, [0.01, 0.99])
    if low == high:
        low, high = values.min(), values.max()
    x, y = embedding[order].T
    dots = panel.scatter(x, y, c=values[order], s=size, cmap="viridis", vmin=low, vmax=high, lw=0, rasterized=True)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    bar = colour_bar(figure, dots, panel, "Activity", shrink=0.6, aspect=15, pad=0.01)
    bar.ax.locator_params(nbins=4)
