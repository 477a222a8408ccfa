"""Heatmaps of gene sets against units or perturbations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._changes import among
from scpi.pl._cut import inches
from scpi.pl._figure import (
    DIVERGING,
    PAGE_WIDTH,
    colour_bar,
    finish,
    new_axes,
    note_part,
    set_labels,
    style,
    symmetric_limit,
)
from scpi.pl._order import similar
from scpi.pl._unit_titles import choose_units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Style of Kinalis et al. (2019): exponent of the grey scale, and the scaled impact above which a unit is drawn and a
# difference is drawn
POWER, SHOWN, OVERLAID = 5.0, 0.7, 0.85
_MISSING = "#C8C8C8"


def choose(
    stored: Mapping[str, Any],
    *,
    units: Sequence[str] | str | None,
    sets: Sequence[str] | str | None,
    n_units: int,
    n_sets: int,
    by: NDArray[np.float64],
) -> tuple[list[int], list[int]]:
    """Choose the given units and gene sets, or those with the largest absolute values of `by`, units x sets.

    The top set of each unit is chosen before the second set of any unit, so that the sets of one unit do not fill the
    figure. Units and sets that are not given are ordered so that similar ones are next to each other.
    """
    names = [str(name) for name in stored["sets"]]
    size = np.abs(by)
    rows = choose_units(
        units, np.array([str(name) for name in stored["units"]], dtype=object), size.max(axis=1), n_units
    )
    if sets is None:
        rank = np.argsort(np.argsort(-size[rows], axis=1, kind="stable"), axis=1, kind="stable")
        order = np.lexsort((-size[rows].max(axis=0), rank.min(axis=0)))
        columns = order[:n_sets].tolist()
    else:
        columns = [names.index(name) for name in among(names, sets, "gene set")]
    part = by[np.ix_(rows, columns)]
    if units is None:
        rows = [rows[i] for i in similar(part)]
    if sets is None:
        columns = [columns[i] for i in similar(part.T)]
    return rows, columns


def draw(
    matrix: NDArray[np.float64],
    columns: Sequence[str],
    sets: Sequence[str],
    *,
    marks: NDArray[np.bool_] | None,
    label: str,
    xlabel: str,
    ax: Axes | None,
    figsize: tuple[float, float] | None,
    show: bool | None,
    return_fig: bool,
    parts: Sequence[tuple[int, int, str]] = (),
    ticks: Sequence[float] | None = None,
    **colours: Any,
) -> Axes | Figure | None:
    """Draw a matrix of gene sets x columns, with dots where `marks` is true, and grey where a value is missing.

    `parts` are the numbers of columns and rows that are drawn, and of those that there are. Colours diverge around
    zero, with a few extreme values beyond their limits, unless `colours` of `Axes.imshow` are given.
    """
    names = set_labels(sets, 38)
    if figsize is None:
        height = 0.5 + inches(columns) + 0.155 * matrix.shape[0]
        figsize = (min(PAGE_WIDTH, 1.4 + inches(names) + 0.16 * matrix.shape[1]), max(2.2, height))
    extend = "neither" if colours else "both"
    if not colours:
        limit = symmetric_limit(matrix)
        colours = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit}
    with style():
        figure, axes = new_axes(ax, figsize)
        image = axes.imshow(matrix, aspect="auto", interpolation="nearest", **colours)
        axes.set_facecolor(_MISSING)
        if marks is not None:
            y, x = np.nonzero(marks)
            axes.scatter(x, y, s=5, c="black", edgecolors="white", linewidths=0.4, zorder=3)
        axes.set_xticks(range(matrix.shape[1]), columns, rotation=90)
        axes.set_yticks(range(matrix.shape[0]), names)
        axes.tick_params(length=2)
        axes.spines[:].set_visible(False)
        colour_bar(figure, image, axes, label, shrink=0.6, aspect=25, pad=0.02, extend=extend, ticks=ticks)
        missing = [] if np.isfinite(matrix).all() else ["grey: not tested"]
        axes.set_xlabel("; ".join([text for text in (xlabel, *missing) if text]))
        note_part(axes, *parts)
        return finish(figure, axes, ax=ax, show=show, return_fig=return_fig)


def parts_chosen(
    stored: Mapping[str, Any],
    rows: Sequence[int],
    columns: Sequence[int],
    *,
    units: Sequence[str] | None,
    sets: Sequence[str] | None,
) -> list[tuple[int, int, str]]:
    """Count the units and gene sets that are drawn, and those that there are, where they are not given."""
    chosen = (rows, len(stored["units"]), "units", units), (columns, len(stored["sets"]), "gene sets", sets)
    return [(len(drawn), there, name) for drawn, there, name, given in chosen if given is None]


def scaled_by_set(impact: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale impacts, units x sets, to between 0 and 1 within each set; 0 if all units have the same impact."""
    low, span = impact.min(axis=0), np.ptp(impact, axis=0)
    return np.asarray((impact - low) / np.where(span > 0, span, 1.0))
