"""Fitting of texts into a figure: names are cut, labels wrapped, and overlapping tick labels left out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, MaxNLocator

from scpi.pl._cut import cut_names, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    Axis = XAxis | YAxis

# Maximum fraction of the width of a panel for names beside it, and maximum number of lines into which a line is wrapped
_NAMES, _LINES = 0.45, 3
# Minimum number of characters of a cut name
_FEWEST = 4
# Maximum number of passes of wrapping, because the layout changes after each
_ROUNDS = 3
# Space between two texts in pixels
_GAP = 3.0


def fit_texts(figure: Figure, panels: Sequence[Axes]) -> None:
    """Cut, wrap or leave out texts of the panels that would overlap or extend beyond the figure.

    Names at the ticks of an axis are cut to at most 45 % of the space of the panel. If too many remain, only every
    second or third is shown. Titles and axis labels are wrapped, and cut if that is not enough. The number of numeric
    ticks is reduced.
    """
    axes = [axis for panel in panels for axis in (panel.xaxis, panel.yaxis)]
    for axis in axes:
        _cut_names(figure, axis)
    # Positions in pixels are correct only after the layout has been computed
    figure.draw_without_rendering()
    turned = [axis for axis in axes if _turn(axis)]
    for axis in turned:
        _cut_names(figure, axis)
    if turned:
        figure.draw_without_rendering()
    for axis in axes:
        _thin(axis)
    for _ in range(_ROUNDS):
        before = _n_lines(panels)
        _wrap_all(figure, panels, lambda panel: panel.yaxis.label, upright=True)
        _wrap_all(figure, panels, lambda panel: panel.title, upright=False)
        _wrap_all(figure, panels, lambda panel: panel.xaxis.label, upright=False)
        if before == _n_lines(panels):
            return
        # Additional lines beside the panels move and shrink them
        figure.draw_without_rendering()


def _n_lines(panels: Sequence[Axes]) -> list[int]:
    texts = [(panel.get_title(), panel.get_xlabel(), panel.get_ylabel()) for panel in panels]
    return [text.count("\n") for of_panel in texts for text in of_panel]


def _wrap_all(figure: Figure, panels: Sequence[Axes], of: Callable[[Axes], Text], *, upright: bool) -> None:
    """Wrap a text of every panel to the space between those of its neighbours, and move it into the figure."""
    written = [(of(panel), panel.get_window_extent()) for panel in panels if of(panel).get_text()]
    written = [(text, box) for text, box in written if (text.get_rotation() == 0.0) is not upright]
    spans = [(box.intervaly, box.intervalx) if upright else (box.intervalx, box.intervaly) for _, box in written]
    edge = figure.bbox.intervaly if upright else figure.bbox.intervalx
    rooms = []
    for _, across in spans:
        row = [span for span, other in spans if other[0] < across[1] and across[0] < other[1]]
        rooms.append(_room(row, edge))
    for (text, _), (own, _), room in zip(written, spans, rooms, strict=True):
        wrap(text, room)
        box = text.get_window_extent()
        low, high = box.intervaly if upright else box.intervalx
        shift = max(edge[0] - low, 0.0) + min(edge[1] - high, 0.0)
        if shift:
            x, y = text.get_position()
            moved = shift / (own[1] - own[0])
            text.set_position((x, y + moved) if upright else (x + moved, y))


def _room(row: Sequence[Sequence[float]], edge: Sequence[float]) -> float:
    """Compute the maximum length of texts centred on the spans of a row; the outer ones may move inwards."""
    middles = np.unique([sum(span) / 2.0 for span in row])
    if len(middles) == 1:
        return float(edge[1] - edge[0]) - _GAP
    pitch = float(np.diff(middles).min())
    # An outer text of this length ends at the edge, and begins where the next one ends
    outer = [max(2.0 * rim, (rim + pitch) / 1.5) for rim in (middles[0] - edge[0], edge[1] - middles[-1])]
    return min(pitch, *outer) - _GAP


def _labels(axis: Axis) -> list[Text]:
    """List the labels at the major ticks in view."""
    low, high = sorted(axis.get_view_interval())
    slack = 1e-6 * (high - low)
    ticks = axis.get_major_ticks(len(axis.get_majorticklocs()))
    shown = [tick.label1 for tick in ticks if low - slack <= tick.get_loc() <= high + slack]
    return [label for label in shown if label.get_visible() and label.get_text()]


def _has_names(axis: Axis) -> bool:
    return isinstance(axis.get_major_locator(), FixedLocator)


def _along(axis: Axis, label: Text) -> bool:
    """Check whether a label runs along its axis."""
    return (axis.axis_name == "x") == (label.get_rotation() % 180.0 == 0.0)


def _length(axis: Axis, label: Text, *, along: bool) -> float:
    """Measure a label in pixels along its axis, or across it."""
    box = label.get_window_extent()
    return float(box.width if (axis.axis_name == "x") == along else box.height)


def _set_names(axis: Axis, names: Sequence[str]) -> None:
    axis.set_ticks(axis.get_majorticklocs(), labels=list(names))


def _turn(axis: Axis) -> bool:
    """Rotate names below an axis if they overlap; return whether it did."""
    labels = _labels(axis) if _has_names(axis) else []
    if not labels or axis.axis_name != "x" or not _along(axis, labels[0]) or _crowding(axis, labels) == 1:
        return False
    axis.set_tick_params(rotation=90)
    return True


def _cut_names(figure: Figure, axis: Axis) -> None:
    """Cut names that take too much of the space of their panel."""
    labels = _labels(axis) if _has_names(axis) else []
    if not labels or _along(axis, labels[0]):
        return
    upright = axis.axis_name == "x"
    size = figure.bbox.height if upright else figure.bbox.width
    spec = axis.axes.get_subplotspec()
    if spec is not None:
        grid, span = spec.get_gridspec(), spec.rowspan if upright else spec.colspan
        size *= len(span) / (grid.nrows if upright else grid.ncols)
    longest = max(_length(axis, label, along=False) for label in labels)
    if longest > _NAMES * size:
        names = [label.get_text() for label in axis.get_majorticklabels()]
        n = int(max(map(len, names)) * _NAMES * size / longest)
        _set_names(axis, cut_names(names, max(n, _FEWEST)))


def _crowding(axis: Axis, labels: Sequence[Text]) -> int:
    """Find the smallest step at which every step-th label can be shown without overlap."""
    place = 0 if axis.axis_name == "x" else 1
    at = np.sort([label.get_transform().transform(label.get_position())[place] for label in labels])
    if len(at) < 2:
        return 1
    size = max(_length(axis, label, along=True) for label in labels)
    return max(int(np.ceil(size / max(float(np.diff(at).min()), 1e-9))), 1)


def _thin(axis: Axis) -> None:
    """Leave out overlapping tick labels."""
    labels = _labels(axis)
    if not labels:
        return
    if _has_names(axis):
        step = _crowding(axis, labels)
        if step > 1:
            names = [label.get_text() for label in axis.get_majorticklabels()]
            _set_names(axis, [name if i % step == 0 else "" for i, name in enumerate(names)])
        return
    locator = axis.get_major_locator()
    for n in (4, 3, 2, 1):
        if _crowding(axis, labels) <= 1 or not isinstance(locator, MaxNLocator):
            return
        locator.set_params(nbins=n)
        labels = _labels(axis)


def wrap(text: Text, room: float) -> None:
    """Wrap the lines of a text that are longer than the room, in pixels, and cut lines that are still longer."""
    found: list[str] = []
    lines = text.get_text().split("\n")
    for line in lines:
        n = _fitting(text, line, room)
        parts = textwrap.wrap(line, n, break_long_words=False) if 0 < n < len(line) else [line]
        parts = [*parts[: _LINES - 1], " ".join(parts[_LINES - 1 :])] if len(parts) > _LINES else parts
        found += [_cut(text, part, room) for part in parts]
    text.set_text("\n".join(found))


def _cut(text: Text, line: str, room: float) -> str:
    # A formula cannot be split
    n = len(line) if "$" in line else _fitting(text, line, room)
    if n == len(line):
        return line
    while n > _FEWEST and _size(text, shorten(line, n)) > room:
        n -= 1
    return shorten(line, max(n, _FEWEST))


def _fitting(text: Text, line: str, room: float) -> int:
    """Count the characters of a line that fit the room."""
    n = len(line)
    while n > 1:
        size = _size(text, line[:n] if "$" not in line else line)
        if size <= room:
            break
        n = min(n - 1, int(n * room / size))
        if "$" in line:
            break
    return n


def _size(text: Text, line: str) -> float:
    """Measure the length of a line in pixels."""
    before = text.get_text()
    text.set_text(line)
    box = text.get_window_extent()
    text.set_text(before)
    return float(box.width if text.get_rotation() == 0.0 else box.height)
