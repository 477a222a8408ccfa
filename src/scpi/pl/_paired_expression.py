from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._slots import listed
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, finish_panels, label_panels, panel_grid, shorten, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_NEEDED = ("gene", "split", "group", "donor", "log2_cpm")


@fill
def paired_expression(
    table: pd.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the expression of genes in each sample, with a line between the samples of a donor.

    There is one panel per gene and split. If most donors share a difference, their lines have the same direction,
    however much the donors differ from each other. Bars are group means.

    Parameters
    ----------
    table
        Expression of genes in samples, as returned by :func:`scpi.de.sample_expression`.
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the table lacks a column.
    ValueError
        If `ax` is given for several panels.
    """
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        msg = f"`table` has no column {listed(missing)}: `scpi.de.sample_expression` gives it."
        raise KeyError(msg)
    groups = [str(name) for name in table["group"].astype("category").cat.categories]
    parts = list(table.groupby(["gene", "split"], observed=True, sort=True))
    with style():
        figure, panels = panel_grid(len(parts), ax, figsize, size=(PAGE_WIDTH / _COLUMNS, 1.8), n_columns=_COLUMNS)
        for panel, ((gene, split), part) in zip(panels, parts, strict=True):
            _draw(panel, part, groups)
            panel.set_title(shorten(str(gene), 24) + ("" if split == "all" else f"\n{shorten(str(split), 24)}"))
        label_panels(panels, x="", y=r"$\log_2$ CPM")
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _draw(panel: Axes, part: pd.DataFrame, groups: list[str]) -> None:
    place = part["group"].astype(str).map({name: x for x, name in enumerate(groups)}).to_numpy(dtype=np.float64)
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
