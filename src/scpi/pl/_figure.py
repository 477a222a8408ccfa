"""Parts that all figures share: sizes, colours, axes and their labels, shortened names, and the return value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.transforms import Bbox

from scpi.pl._cut import cut_names, inches
from scpi.pl._cut import shorten as shorten
from scpi.pl._fit import fit_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from numpy.typing import NDArray

# Width of a journal page in inches, 180 mm; fonts are legible at that width
PAGE_WIDTH = 7.08
# Height in inches that leaves room for a legend on a page
MAX_HEIGHT = 9.0
FONT = 8.0
SMALL = 7.0
# Okabe and Ito: distinguishable with any type of colour vision
BLUE, VERMILLION, ORANGE, GREY = "#0072B2", "#D55E00", "#E69F00", "#7F7F7F"
GREEN, PURPLE, SKY = "#009E73", "#CC79A7", "#56B4E9"
# Colour of notes below the panels, and their height in inches
_NOTE, _NOTE_HEIGHT = "#555555", 0.17
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
DIVERGING = "RdBu_r"
# Width in inches of the marker before a legend label
_HANDLE = 0.42

_STYLE: dict[Any, Any] = {
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "axes.linewidth": 0.6,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
}
# Accessions such as "(GO:0006955)" and "R-HSA-1280215" are removed from names
_ACCESSION = re.compile(r"\s*\(?\b(GO:\d+|R-[A-Z]{3}-\d+)\)?\s*$")
_COLLECTION = re.compile(r"^(HALLMARK|GOBP|GOCC|GOMF|GO|KEGG|KEGG_MEDICUS|REACTOME|WP|BIOCARTA|PID)_")
_ABBREVIATIONS = {
    "positive regulation of": "pos. reg.",
    "negative regulation of": "neg. reg.",
    "regulation of": "reg.",
    "cellular response to": "resp. to",
    "response to": "resp. to",
}


def style() -> AbstractContextManager[None]:
    """Return a context manager that sets the fonts and line widths of the figures."""
    return mpl.rc_context(_STYLE)


def new_axes(ax: Axes | None, figsize: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return the given axes and their figure, or create both."""
    if ax is not None:
        return ax.get_figure(root=True), ax  # type: ignore[return-value]
    figure, ax = plt.subplots(figsize=figsize, layout="constrained")
    return figure, ax


def panel_grid(
    n: int, ax: Axes | None, figsize: tuple[float, float] | None, *, size: tuple[float, float], n_columns: int
) -> tuple[Figure, list[Axes]]:
    """Create a grid of `n` panels, each of the given size in inches, or use the given axes for a single panel.

    In a figure of a given size, the number of columns, at most `n_columns`, is that at which panels shrink least.
    """
    if ax is not None:
        if n != 1:
            msg = f"`ax` can hold one panel, but there are {n}: choose one, or omit `ax`."
            raise ValueError(msg)
        return ax.get_figure(root=True), [ax]  # type: ignore[return-value]
    n_columns = min(n, n_columns)
    if figsize is not None:
        n_columns = _least_shrunken(n, figsize, size, n_columns)
    n_rows = -(-n // n_columns)
    if figsize is None:
        figsize = (min(PAGE_WIDTH, size[0] * n_columns), min(MAX_HEIGHT, size[1] * n_rows))
    figure, grid = plt.subplots(n_rows, n_columns, figsize=figsize, squeeze=False, layout="constrained")
    for empty in grid.ravel()[n:]:
        empty.remove()
    return figure, list(grid.ravel()[:n])


def _least_shrunken(n: int, figsize: tuple[float, float], size: tuple[float, float], most: int) -> int:
    """Find the number of columns at which panels of a size shrink least in a figure; the largest one if tied."""
    columns = np.arange(most, 0, -1)
    width, height = figsize[0] / columns / size[0], figsize[1] / -(-n // columns) / size[1]
    return int(columns[np.minimum(np.minimum(width, height), 1.0).argmax()])


def n_columns_of(panels: Sequence[Axes]) -> int:
    """Count the columns of the grid of several panels."""
    spec = panels[0].get_subplotspec()
    return 1 if spec is None or len(panels) == 1 else int(spec.get_gridspec().ncols)


def label_panels(panels: Sequence[Axes], *, x: str, y: str = "") -> None:
    """Label the x axis of the lowest panel of each column, and the y axis of the first panel of each row."""
    n_columns = n_columns_of(panels)
    for i, panel in enumerate(panels):
        panel.set_xlabel(x if i + n_columns >= len(panels) else "")
        panel.set_ylabel(y if i % n_columns == 0 else "")


def part_drawn(*parts: tuple[int, int, str]) -> str:
    """Say how many of the groups are drawn, such as "6 of 9 groups", if some are left out; empty if none are.

    `parts` are the number drawn, the number there are, and what they are.
    """
    return ", ".join(f"{drawn:,} of {there:,} {name}" for drawn, there, name in parts if drawn < there)


def note_part(on: Figure | Axes, *parts: tuple[int, int, str], grow: bool = False) -> None:
    """Note that a part of the groups is drawn: below the panels of a figure, or below the label of the axes.

    With `grow`, the figure becomes higher by the line, so that panels with a row per name keep their size.
    """
    text = part_drawn(*parts)
    if text and isinstance(on, plt.Figure):
        on.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color=_NOTE)
        if grow:
            on.set_figheight(min(MAX_HEIGHT, on.get_figheight() + _NOTE_HEIGHT))
    elif text:
        on.set_xlabel("\n".join(line for line in (on.get_xlabel(), text) if line))  # type: ignore[union-attr]


def colour_bar(
    figure: Figure, mappable: ScalarMappable, ax: Axes | Sequence[Axes], label: str, **options: Any
) -> Colorbar:
    """Add a colour bar without an outline beside the axes; `options` are those of `Figure.colorbar`."""
    bar = figure.colorbar(mappable, ax=ax, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def legend_columns(labels: Sequence[str], width: float) -> int:
    """Compute the number of columns of a legend with these labels in a figure of a given width in inches."""
    for n in range(len(labels), 1, -1):
        columns = [labels[i : i + -(-len(labels) // n)] for i in range(0, len(labels), -(-len(labels) // n))]
        if sum(_HANDLE + inches(column) for column in columns) <= width - 0.2:
            return n
    return 1


def finish(figure: Figure, axes: Any, *, ax: Axes | None, show: bool | None, return_fig: bool) -> Any:
    """Fit the texts into the figure, and show it, or return it or its axes."""
    fit_texts(figure, figure.axes if ax is None else [ax])
    if return_fig:
        return figure
    if show or (show is None and ax is None):
        plt.show()
        return None
    return axes


def finish_panels(
    figure: Figure, panels: list[Axes], *, ax: Axes | None, show: bool | None, return_fig: bool
) -> Axes | list[Axes] | Figure | None:
    """Show the figure, or return it or its panels; a single panel is not returned as a list."""
    return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def set_labels(names: Iterable[str], n: int = 40, *, abbreviate: bool = False) -> list[str]:
    """Remove the collection and the accession from names of gene sets, and cut them to `n` characters.

    Names that would be equal after cutting keep their last characters, which distinguish them. With `abbreviate`, the
    words with which many names begin are abbreviated in names of more than `n` characters, so that more of the rest is
    shown.
    """
    names = [str(name) for name in names]
    collections = {match[1] if (match := _COLLECTION.match(name)) else "" for name in names}
    plain = []
    for name in names:
        text = _ACCESSION.sub("", name)
        if len(collections) == 1:
            text = _COLLECTION.sub("", text)
        text = text.replace("_", " ").strip() or name
        if abbreviate and len(text) > n:
            for words, short_form in _ABBREVIATIONS.items():
                text = re.sub(rf"^{words} ", f"{short_form} ", text, flags=re.IGNORECASE)
        plain.append(text)
    return cut_names(plain, n)


def some_names(names: Sequence[str], n: int) -> str:
    """List the first `n` names and the number of further names."""
    more = len(names) - n
    return ", ".join(names[:n]) + (f", +{more}" if more > 0 else "")


def symmetric_limit(values: NDArray[np.float64]) -> float:
    """Compute the limit of a colour scale symmetric around zero: the 98th percentile of the absolute values."""
    finite = np.abs(values[np.isfinite(values)])
    if finite.size == 0:
        return 1.0
    limit = float(np.quantile(finite, 0.98))
    return limit or float(finite.max()) or 1.0


def place_labels(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], labels: Sequence[str], *, shown: NDArray[np.intp]
) -> list[Text]:
    """Label some of the points, with a line from each label to its point.

    A label is placed where it covers the fewest points and overlaps neither another label nor the frame. If there is no
    such position, the label is omitted. `x` and `y` are those of all points; `shown` are the indices of the points to
    label, in the order of their priority. Returns the labels that were placed.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None  # for the type checker
    # Positions in pixels are correct only after the layout has been computed
    figure.draw_without_rendering()
    frame = ax.get_window_extent()
    pixels = figure.dpi / 72.0
    points = ax.transData.transform(np.column_stack([x, y]))
    occupied = [text.get_window_extent() for text in ax.texts]
    angles = np.deg2rad([45, 135, -45, -135, 0, 180, 90, -90, 20, 160, -20, -160])
    offsets = [(r * np.cos(angle), r * np.sin(angle)) for r in (5, 11, 18, 26, 36, 48) for angle in angles]
    placed: list[Text] = []
    for index, label in zip(shown, labels, strict=True):
        probe = ax.text(x[index], y[index], label, fontsize=SMALL)
        size = probe.get_window_extent()
        probe.remove()
        best: tuple[float, Any] = (np.inf, None)
        for dx, dy in offsets:
            # Side of the point on which the label lies: -1, 0 or 1
            across, up = int(np.sign(np.round(dx))), int(np.sign(np.round(dy)))
            left = points[index, 0] + dx * pixels + (across - 1) / 2 * size.width
            bottom = points[index, 1] + dy * pixels + (up - 1) / 2 * size.height
            box = Bbox.from_bounds(left, bottom, size.width, size.height)
            inside = frame.x0 < box.x0 and box.x1 < frame.x1 and frame.y0 < box.y0 and box.y1 < frame.y1
            if not inside or any(box.overlaps(other) for other in occupied):
                continue
            covered = ((points > np.subtract(box.min, 2)) & (points < np.add(box.max, 2))).all(axis=1).sum()
            # Five points (1/72 inch) of distance cost as much as one covered data point
            cost = covered + np.hypot(dx, dy) / 5.0
            if cost < best[0]:
                best = cost, (dx, dy, across, up, box)
        if best[1] is None:
            continue
        dx, dy, across, up, box = best[1]
        # Padding, so that two labels side by side do not read as one
        occupied.append(box.padded(1.5 * pixels))
        placed.append(
            ax.annotate(
                label,
                (x[index], y[index]),
                xytext=(dx, dy),
                textcoords="offset points",
                ha={1: "left", 0: "center", -1: "right"}[across],
                va={1: "bottom", 0: "center", -1: "top"}[up],
                fontsize=SMALL,
                arrowprops={"arrowstyle": "-", "lw": 0.5, "color": "#444444", "shrinkA": 0, "shrinkB": 1},
                zorder=5,
            )
        )
    return placed
