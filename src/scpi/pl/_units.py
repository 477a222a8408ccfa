from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._docs import fill
from scpi._keys import Key
from scpi._saliency import find_units
from scpi._screen._matrix import as_dense
from scpi._slots import listed
from scpi.pl._figure import PAGE_WIDTH, finish, panel_grid, style
from scpi.pl._unit_titles import unit_titles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_COLUMNS = 4


@fill
def units(
    adata: AnnData,
    *,
    units: str | Sequence[str] | None = None,
    n_units: int = 12,
    basis: str = "X_umap",
    use_rep: str = "X_scpi",
    key: str = Key.varm.SALIENCY,
    annotation_key: str = Key.uns.UNIT_ANNOTATION,
    size: float | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the activity of latent units on an embedding of the cells, a panel for each unit.

    Colours go from the 1st to the 99th percentile of the unit. The cells of the highest activity lie on top.

    Parameters
    ----------
    %(adata)s
    units
        Unit or units to draw, in this order; if `None`, those of the largest variance.
    n_units
        Most units to draw, where they are not chosen.
    basis
        Entry of `adata.obsm` with the embedding; its first two columns are drawn.
    use_rep
        Entry of `adata.obsm` with the latent units, such as `model.get_latent_representation()`.
    key
        Entry of `adata.uns` in which :func:`scpi.tl.saliency` named the units; where it is not there, they have the
        names of the columns, or are numbered.
    annotation_key
        Entry of `adata.uns` that :func:`scpi.tl.annotate_units` wrote: the sets that units stand for become titles,
        where they are there, with a minus before those that the unit lowers.
    size
        Area of a dot in square points; less for more cells if `None`.
    %(ax)s
        Takes a single unit.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the embedding or the units are not there.
    ValueError
        If there is no such unit, or `ax` is given for several.

    Examples
    --------
    >>> import scpi
    >>> adata = scpi.datasets.gene_programs(100, 60, 2, n_genes_per_program=10)
    >>> adata.obsm["X_umap"] = adata.obsm["programs"].to_numpy()
    >>> axes = scpi.pl.units(adata, use_rep="programs", show=False)
    """
    values, names = _activity(adata, use_rep, key)
    if basis not in adata.obsm:
        msg = (
            f"`adata.obsm` has no embedding {basis!r}, only {listed(adata.obsm)}. Compute one with `scanpy.tl.umap` of the "
            "neighbours among the units, or name another with `basis=`; `scpi.tl.cluster(adata)` makes units to start from."
        )
        raise KeyError(msg)
    places = np.asarray(adata.obsm[basis])[:, :2]
    chosen = find_units(units, names)
    if units is None:
        spread = np.argsort(-values.var(axis=0), kind="stable")[:n_units]
        chosen = sorted(spread.tolist())
    size = float(np.clip(20_000 / max(len(values), 1), 0.5, 12.0)) if size is None else size
    titles = unit_titles(adata, [str(names[i]) for i in chosen], annotation_key, 36, width=20)
    with style():
        n_columns = min(_COLUMNS, len(chosen))
        panel_size = (PAGE_WIDTH / max(n_columns, 2), 0.95 * PAGE_WIDTH / max(n_columns, 2))
        figure, panels = panel_grid(len(chosen), ax, figsize, size=panel_size, n_columns=_COLUMNS)
        for panel, unit, title in zip(panels, chosen, titles, strict=True):
            _draw_unit(figure, panel, places, values[:, unit], size)
            panel.set_title(title)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _draw_unit(
    figure: Figure, panel: Axes, places: NDArray[np.float64], values: NDArray[np.float64], size: float
) -> None:
    order = np.argsort(values, kind="stable")
    low, high = np.quantile(values, [0.01, 0.99])
    if low == high:
        low, high = values.min(), values.max()
    dots = panel.scatter(
        places[order, 0],
        places[order, 1],
        c=values[order],
        s=size,
        cmap="viridis",
        vmin=low,
        vmax=high,
        lw=0,
        rasterized=True,
    )
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    bar = figure.colorbar(dots, ax=panel, shrink=0.6, aspect=15, pad=0.01)
    bar.outline.set_visible(False)
    bar.ax.locator_params(nbins=4)


def _activity(adata: AnnData, use_rep: str, key: str) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Activity of the units, cells x units, and their names."""
    if use_rep not in adata.obsm:
        msg = (
            f"`adata.obsm` has no latent units {use_rep!r}, only {listed(adata.obsm)}. Store there what "
            "`model.get_latent_representation()` gives, or name with `use_rep=` what `scpi.tl.cluster(adata)` stored."
        )
        raise KeyError(msg)
    value: Any = adata.obsm[use_rep]
    values = as_dense(value, np.float64)
    names: Any = value.columns if isinstance(value, pd.DataFrame) else None
    stored = adata.uns.get(key)
    if names is None and hasattr(stored, "get") and len(stored.get("units", ())) == values.shape[1]:
        names = stored["units"]
    return values, np.array([str(name) for name in (range(values.shape[1]) if names is None else names)], dtype=object)
