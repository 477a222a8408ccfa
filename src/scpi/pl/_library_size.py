from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullFormatter

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._layer_of_counts import layer_of_counts
from scpi._mudata import resolve_modality
from scpi._screen._matrix import sums
from scpi._slots import listed, read_labels, read_layer
from scpi.pl._figure import (
    GREY,
    PALETTE,
    SMALL,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData
    from numpy.typing import NDArray

# Maximum number of quantiles to draw: more cannot be distinguished in a panel
_MAX_POINTS = 100
# Factor by which the axes are longer than the data
_MARGIN = 1.15


@fill
def library_size(
    data: AnnData | MuData,
    *,
    key: str = Key.obs.ORIGIN,
    reference: str | None = None,
    groupby: str | None = None,
    groups: Sequence[str] | str | None = None,
    n_panels: int = 6,
    layer: str | None = None,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw quantiles of total counts per cell against those of reference cells, such as generated against measured.

    On the dashed line, both have the same distribution. Points parallel to it differ by a constant factor. A slope
    other than 1 indicates a spread that is too large or too small.

    Parameters
    ----------
    %(data)s
    key
        Column of `adata.obs` with the origin of each cell, as written by ``anndata.concat(..., label="origin")``.
    reference
        Origin of the cells on the x axis; the first category if `None`.
    groupby
        Column of `adata.obs` with groups within which cells are compared, such as cell types, one panel each. If
        `None`, all cells are one group.
    groups
        Groups to draw, in this order; if `None`, the first `n_panels` that have cells of the reference and others.
    n_panels
        Maximum number of groups to draw if `groups=None`.
    %(counts_layer)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such column or layer.
    ValueError
        If there are no two origins to compare, the reference or a group is unknown or has no such cells, or `ax` is
        given for several groups.

    Examples
    --------
    >>> import anndata as ad
    >>> import scpi
    >>> measured = scpi.datasets.splat(100, n_genes=60, rng=0)
    >>> generated = scpi.datasets.splat(80, n_genes=60, rng=1)
    >>> both = ad.concat({"measured": measured, "generated": generated}, label="origin", index_unique="_")
    >>> panel = scpi.pl.library_size(both, show=False)
    """
    adata = resolve_modality(data, mod)
    origins = _read_origins(data, key, mod)
    reference = origins.categories[0] if reference is None else among(origins.categories, reference, "origin")[0]
    names = [reference, *(name for name in origins.categories if name != reference)]
    totals = pd.Series(np.maximum(sums(read_layer(adata, layer_of_counts(adata, layer)), axis=1), 1.0))
    labels = pd.Categorical(["all cells"] * len(totals)) if groupby is None else read_labels(data, groupby, mod=mod)
    samples = {place: own.to_numpy() for place, own in totals.groupby([labels, origins], observed=True)}
    there = [
        group
        for group in labels.categories
        if (group, reference) in samples and any((group, name) in samples for name in names[1:])
    ]
    if not there:
        msg = f"No group has cells of {reference!r} and of another origin to compare."
        raise ValueError(msg)
    shown = there[:n_panels] if groups is None else among(there, groups, "group of cells to compare")
    with style():
        figure, panels = panel_grid(len(shown), ax, figsize, size=(2.36, 2.5), n_columns=3)
        for panel, group in zip(panels, shown, strict=True):
            _draw_quantiles(panel, {name: samples.get((group, name), np.empty(0)) for name in names})
            n_cells = " / ".join(f"{len(samples.get((group, name), ())):,}" for name in names)
            panel.set_title(f"{shorten(group, 30)}\n{n_cells} cells", fontsize=SMALL, linespacing=1.3)
        if len(names) > 2:
            panels[0].legend(loc="upper left", handletextpad=0.2)
        other = names[1] if len(names) == 2 else "other cells"
        label_panels(panels, x=f"Total counts, {shorten(reference, 24)}", y=f"Total counts, {shorten(str(other), 24)}")
        if groups is None:
            note_part(figure if ax is None else ax, (len(shown), len(there), "groups"))
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _read_origins(data: AnnData | MuData, key: str, mod: str | None) -> pd.Categorical:
    """Read the origin of each cell; there must be at least two."""
    try:
        origins = read_labels(data, key, mod=mod)
    except KeyError as error:
        msg = (
            f"{error.args[0]} Join measured cells and those of `scpi.model.NBVAE.generate` by `anndata.concat({{...}}, "
            f"label={key!r})`."
        )
        raise KeyError(msg) from error
    if not 2 <= len(origins.categories) <= len(PALETTE) + 1:
        msg = f"`obs[{key!r}]` must have 2 to {len(PALETTE) + 1} origins to compare, but has {listed(origins.categories)}."
        raise ValueError(msg)
    return origins


def _draw_quantiles(panel: Axes, samples: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw quantiles of samples against those of the first, on equal logarithmic axes."""
    (_, reference), *others = samples.items()
    for (name, sample), colour in zip(others, PALETTE, strict=False):
        n = min(len(reference), len(sample), _MAX_POINTS)
        if n:
            x, y = (np.quantile(values, (np.arange(n) + 0.5) / n) for values in (reference, sample))
            panel.scatter(x, y, s=9, color=colour, lw=0, alpha=0.8, label=shorten(name, 20), zorder=3)
    panel.axline((1.0, 1.0), (10.0, 10.0), color=GREY, lw=0.8, ls="--", zorder=1)
    panel.set(xscale="log", yscale="log")
    drawn = np.concatenate([np.asarray(dots.get_offsets()) for dots in panel.collections])
    limits = float(drawn.min()) / _MARGIN, float(drawn.max()) * _MARGIN
    panel.set(xlim=limits, ylim=limits, aspect="equal")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if limits[1] < 30.0 * limits[0] else (1.0,)))
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    panel.spines[["top", "right"]].set_visible(False)
