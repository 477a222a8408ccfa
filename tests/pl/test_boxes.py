from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from scpi.pl._boxes import by_median, draw_boxes, draw_marks, format_rows
from scpi.pl._figure import PALETTE

TABLE = pd.DataFrame(
    {
        "method": ["a"] * 5 + ["b"] * 5,
        "kind": ["x", "x", "x", "y", "y"] * 2,
        "score": [0.0, 1.0, 2.0, 3.0, 9.0, 5.0, 6.0, np.nan, 7.0, 8.0],
    }
)


def boxes(ax):
    """Left end, right end, middle and colour of each box."""
    return [
        (bar.get_x(), bar.get_x() + bar.get_width(), bar.get_y() + bar.get_height() / 2, to_hex(bar.get_edgecolor()))
        for bar in ax.patches
    ]


def test_a_box_has_the_quartiles_of_a_method():
    _, ax = plt.subplots()
    draw_boxes(ax, TABLE, value="score", by="method", order=["b", "a"])
    expected = []
    for row, name in enumerate(["b", "a"]):
        values = TABLE.loc[TABLE["method"] == name, "score"].dropna()
        expected.append((*np.quantile(values, [0.25, 0.75]), row, PALETTE[0].lower()))
    assert [pytest.approx(box[:3]) for box in boxes(ax)] == [box[:3] for box in expected]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "a"]
    # The first on top, and room for what lies at the ends
    assert ax.get_ylim() == (1.5, -0.5)
    low, high = ax.get_xlim()
    assert low < 0 and high > 9


def test_variants_share_the_row_of_their_method_in_colours_of_their_own():
    _, ax = plt.subplots()
    draw_boxes(ax, TABLE, value="score", by="method", order=["a", "b"], hue="kind", hues=["x", "y"])
    assert [round(box[2], 6) for box in boxes(ax)] == [-0.2, 0.2, 0.8, 1.2]
    assert [box[3] for box in boxes(ax)] == [PALETTE[0].lower(), PALETTE[1].lower()] * 2


def test_a_method_without_values_has_no_box_and_many_values_no_points():
    _, (left, right) = plt.subplots(1, 2)
    draw_boxes(left, TABLE, value="score", by="method", order=["a", "c"])
    assert len(left.patches) == 1
    many = pd.DataFrame({"method": "a", "score": np.arange(100.0)})
    draw_boxes(right, many, value="score", by="method", order=["a"])
    assert max(len(points.get_offsets()) for points in right.collections if len(points.get_offsets())) == 1


def test_marks_lie_at_their_boxes():
    _, ax = plt.subplots()
    other = pd.DataFrame({"method": ["a", "b"], "kind": ["y", "x"], "score": [4.0, 2.0]})
    draw_marks(ax, other, 0, value="score", by="method", order=["a", "b"], hue="kind", hues=["x", "y"], label="paper")
    assert sorted(ax.collections[0].get_offsets().round(6).tolist()) == [[2.0, 0.8], [4.0, 0.2]]
    _, ax = plt.subplots()
    whole = other.drop(columns="kind")
    draw_marks(ax, whole, 1, value="score", by="method", order=["a", "b"], hue="kind", hues=["x", "y"], label="paper")
    # A line through all boxes of the method
    (lines,) = ax.collections
    ends = [segment[:, 1].round(6).tolist() for segment in lines.get_segments()]
    assert ends == [[-0.4, 0.4], [0.6, 1.4]]


def test_the_highest_median_comes_first():
    assert by_median(TABLE, value="score", by="method") == ["b", "a"]


def test_there_is_one_row_per_name_with_the_first_on_top():
    _, ax = plt.subplots()
    format_rows(ax, ["a", "b" * 40])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b" * 31 + "\N{HORIZONTAL ELLIPSIS}"]
    assert ax.get_ylim() == (1.5, -0.5)
