"""Boxes of values by method, for figures of how well methods do."""

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

# Points of a box that can still be told apart
_MANY = 60


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
    """Draw a horizontal box for each method, or one for each of its variants, the first method on top.

    A box has the quartiles, a line the median, a diamond the mean, and whiskers the range; where there are not too
    many, each value is a point.
    """
    rng = np.random.default_rng(0)
    height = 0.8 / max(len(hues), 1)
    for y, i, rows in _places(table, by=by, order=order, hue=hue, hues=hues):
        values = rows[value].dropna().to_numpy(dtype=np.float64)
        if len(values) == 0:
            continue
        if len(values) <= _MANY:
            spread = rng.uniform(-0.3, 0.3, len(values)) * height
            ax.scatter(values, y + spread, s=3, c="#444444", alpha=0.5, linewidths=0, zorder=3.5)
        _box(ax, values, y, 0.8 * height, PALETTE[i])
    # Bars would otherwise end the axis, and cut what is drawn at their ends
    ax.use_sticky_edges = False
    ax.set_ylim(len(order) - 0.5, -0.5)
    ax.set_yticks(range(len(order)), [shorten(str(name), 32) for name in order])
    for edge in np.arange(0.5, len(order) - 1):
        ax.axhline(edge, color="#EEEEEE", lw=0.6, zorder=0)
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
    """Mark values of another source: by a cross at a box, or a dashed line through all boxes of a method."""
    within = hue is None or hue in table
    x, y = [], []
    for place, _, rows in _places(table, by=by, order=order, hue=hue if within else None, hues=hues):
        values = rows[value].dropna().tolist()
        x += values
        y += [place] * len(values)
    if within:
        ax.scatter(x, y, s=20, marker="x+1"[number % 3], c="black", linewidths=1.2, zorder=6, label=label)
    else:
        dash = (0, (3 - number % 3, 1.5))
        low, high = np.subtract(y, 0.4), np.add(y, 0.4)
        ax.vlines(x, low, high, color="black", lw=1.2, linestyles=dash, zorder=6, label=label)


def _places(
    table: pd.DataFrame, *, by: str, order: Sequence[str], hue: str | None, hues: Sequence[str]
) -> Iterator[tuple[float, int, pd.DataFrame]]:
    """Give the place, the number of the colour and the rows of each box."""
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
    """Names of the methods, the one with the highest median first."""
    medians = table.groupby(by, observed=True, sort=False)[value].median()
    return [str(name) for name in medians.sort_values(ascending=False, kind="stable").index]
