"""Figures of means with their intervals: one row per method, one colour per setting."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def dots(ax: Axes, places: np.ndarray, values: Sequence[float], halves: Sequence[float], **style: Any) -> None:
    """Means with their intervals, clipped to 0 and 1."""
    ends = np.clip([np.subtract(values, halves), np.add(values, halves)], 0, 1)
    ax.hlines(places, *ends, color=style["color"], linewidth=1.2)
    ax.plot(values, places, "o", markersize=3.5, **style)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Label the rows from top to bottom."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)


def plain(ax: Axes) -> None:
    """Draw grid lines behind the rows and remove the frame."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.93", linewidth=0.5)
    ax.set_axisbelow(True)


def save(description: str | None, draw: Callable[[dict[str, Any]], Figure]) -> None:
    """Draw the results given on the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 8, "font.family": "sans-serif"})
    draw(json.loads(args.results.read_text())).savefig(args.out, dpi=200)
