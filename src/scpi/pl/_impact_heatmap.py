"""What the heatmaps of gene sets and units share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._saliency import find_units
from scpi._slots import listed
from scpi.pl._figure import DIVERGING, PAGE_WIDTH, finish, new_axes, set_labels, shorten, style, symmetric_limit
from scpi.pl._order import similar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# From here on, colours are those of the paper by Kinalis et al.: power of the grey scale, least scaled impact of a unit
# that is drawn, and of a difference that is drawn
POWER, SHOWN, OVERLAID = 5.0, 0.7, 0.85


def choose(
    stored: Mapping[str, Any],
    *,
    units: Sequence[str] | None,
    sets: Sequence[str] | None,
    n_units: int,
    n_sets: int,
    by: NDArray[np.float64],
) -> tuple[list[int], list[int]]:
    """Units and sets to draw: those that were named, or those of the largest values of `by`, units x sets, like by like.

    The first set of each unit comes before the second of any, so that no unit takes all the room.
    """
    names = np.array([str(name) for name in stored["sets"]], dtype=object)
    size = np.abs(by)
    rows = find_units(units, np.array([str(name) for name in stored["units"]], dtype=object))
    if units is None:
        rows = sorted(np.argsort(-size.max(axis=1), kind="stable")[:n_units].tolist())
    if sets is None:
        rank = np.argsort(np.argsort(-size[rows], axis=1, kind="stable"), axis=1, kind="stable")
        order = np.lexsort((-size[rows].max(axis=0), rank.min(axis=0)))
        columns = order[:n_sets].tolist()
    else:
        place = {name: i for i, name in enumerate(names)}
        unknown = [name for name in sets if str(name) not in place]
        if unknown:
            msg = f"These gene sets were not tested: {listed(unknown, 5)}."
            raise ValueError(msg)
        columns = [place[str(name)] for name in sets]
    part = by[np.ix_(rows, columns)]
    if units is None:
        rows = [rows[i] for i in similar(part)]
    if sets is None:
        columns = [columns[i] for i in similar(part.T)]
    return rows, columns


def draw(
    matrix: NDArray[np.float64],
    units: Sequence[str],
    sets: Sequence[str],
    *,
    marks: NDArray[np.bool_] | None,
    label: str,
    xlabel: str,
    ax: Axes | None,
    figsize: tuple[float, float] | None,
    show: bool | None,
    return_fig: bool,
    ticks: Sequence[float] | None = None,
    **colours: Any,
) -> Axes | Figure | None:
    """Draw a matrix of sets x units, with dots where `marks` is true, in diverging colours unless others are given."""
    if figsize is None:
        figsize = (min(PAGE_WIDTH, 3.2 + 0.16 * matrix.shape[1]), max(1.8, 0.9 + 0.155 * matrix.shape[0]))
    # A limit that leaves out a few extremes is the default
    extend = "neither" if colours else "both"
    if not colours:
        limit = symmetric_limit(matrix)
        colours = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
    with style():
        figure, axes = new_axes(ax, figsize)
        image = axes.imshow(matrix, aspect="auto", interpolation="nearest", **colours)
        if marks is not None:
            y, x = np.nonzero(marks)
            axes.scatter(x, y, s=5, c="black", edgecolors="white", linewidths=0.4, zorder=3)
        axes.set_xticks(range(matrix.shape[1]), [shorten(str(unit), 24) for unit in units], rotation=90)
        axes.set_yticks(range(matrix.shape[0]), set_labels(sets, 38))
        axes.tick_params(length=2)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=25, pad=0.02, extend=extend, ticks=ticks)
        bar.set_label(label)
        bar.outline.set_visible(False)
        axes.set_xlabel(xlabel)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def scaled_by_set(impact: NDArray[np.float64]) -> NDArray[np.float64]:
    """Impact of units x sets from 0 to 1 within each set; 0 where all units have the same."""
    low, span = impact.min(axis=0), np.ptp(impact, axis=0)
    return np.asarray((impact - low) / np.where(span > 0, span, 1.0))
