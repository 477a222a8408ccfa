"""Box plots of scores by method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba

from scpi.pl._figure import PALETTE, SMALL, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# Maximum number of values per box that are also drawn as points
_MAX_POINTS = 60


def draw_boxes(
    ax: Axes,
    table: pd.DataFrame,
    *,
    value: str,
    by: str,
    order: Sequence[str],
    hue: str | None = None,
    hues: Sequence[str] = (),
) -> None:
    """Draw a horizontal box for each method, or one for each variant (`hue`) of it, with the first method on top.

    A box shows the quartiles, its line the median, the diamond the mean and the whiskers the range. Up to 60 values of a
    box are also drawn as points.
    """
    rng = np.random.default_rng(0)
    height = 0.8 / max(len(hues), 1)
    for y, i, rows in _rows(table, by=by, order=order, hue=hue, hues=hues):
        values = rows[value].dropna().to_numpy(dtype=np.float64)
        if len(values) == 0:
            continue
        if len(values) <= _MAX_POINTS:
            spread = rng.uniform(-0.3, 0.3, len(values)) * height
            ax.scatter(values, y + spread, s=3, c="#444444", alpha=0.5, linewidths=0, zorder=3.5)
        _box(ax, values, y, 0.8 * height, PALETTE[i])
    # Otherwise the axis ends at the edge of a bar, and clips markers there
    ax.use_sticky_edges = False
    for edge in np.arange(0.5, len(order) - 1):
        ax.axhline(edge, color="#EEEEEE", lw=0.6, zorder=0)
    format_rows(ax, order)


def format_rows(ax: Axes, names: Sequence[str]) -> None:
    """Format axes with one row per name, the first on top, and a grid for the values."""
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [shorten(str(name), 32) for name in names])
    ax.grid(axis="x", color="#EEEEEE", lw=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    ax.spines[["top", "right", "left"]].set_visible(False)


def draw_marks(
    ax: Axes,
    table: pd.DataFrame,
    number: int,
    *,
    value: str,
    by: str,
    order: Sequence[str],
    hue: str | None = None,
    hues: Sequence[str] = (),
    label: str,
) -> None:
    """Mark values from another source: as a cross at each box or, without a `hue`, as a dashed line across a method."""
    at_boxes = hue is None or hue in table
    x, y = [], []
    for height, _, rows in _rows(table, by=by, order=order, hue=hue if at_boxes else None, hues=hues):
        values = rows[value].dropna().tolist()
        x += values
        y += [height] * len(values)
    if at_boxes:
        ax.scatter(x, y, s=20, marker="x+1"[number % 3], c="black", linewidths=1.2, zorder=6, label=label)
    else:
        dash = (0, (3 - number % 3, 1.5))
        low, high = np.subtract(y, 0.4), np.add(y, 0.4)
        ax.vlines(x, low, high, color="black", lw=1.2, linestyles=dash, zorder=6, label=label)


def _rows(
    table: pd.DataFrame, *, by: str, order: Sequence[str], hue: str | None, hues: Sequence[str]
) -> Iterator[tuple[float, int, pd.DataFrame]]:
    """Yield the y coordinate, the index of the colour and the rows of each box."""
    for row, name in enumerate(order):
        of_method = table[table[by] == name]
        if hue is None:
            yield row, 0, of_method
        for i, variant in enumerate(hues if hue is not None else ()):
            yield row + (i - (len(hues) - 1) / 2) * 0.8 / len(hues), i, of_method[of_method[hue] == variant]


def _box(ax: Axes, values: NDArray[np.float64], y: float, height: float, colour: str) -> None:
    low, first, median, third, high = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])
    ax.hlines([y, y], [low, third], [first, high], color=colour, lw=0.8, zorder=3)
    ax.barh(y, third - first, height, left=first, color=to_rgba(colour, 0.45), edgecolor=colour, lw=0.8, zorder=3)
    ax.vlines(median, y - height / 2, y + height / 2, color="black", lw=1.2, zorder=4)
    ax.scatter(values.mean(), y, s=9, marker="D", c="white", edgecolors="black", linewidths=0.6, zorder=5)


def by_median(table: pd.DataFrame, *, value: str, by: str) -> list[str]:
    """Sort the names of the methods by decreasing median."""
    medians = table.groupby(by, observed=True, sort=False)[value].median()
    return [str(name) for name in medians.sort_values(ascending=False, kind="stable").index]
