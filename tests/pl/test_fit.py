from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from scpi.pl._fit import fit_texts, wrap

LONG = "a name of one and another cell"


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def inside(figure, text):
    box = text.get_window_extent()
    return box.x0 >= -2 and box.y0 >= -2 and box.x1 <= figure.bbox.x1 + 2 and box.y1 <= figure.bbox.y1 + 2


def test_what_fits_stays_as_it_is():
    figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
    ax.set(title="title", xlabel="x", ylabel="y")
    ax.set_yticks([0, 1], ["first", "second"])
    fit_texts(figure, [ax])
    assert (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) == ("title", "x", "y")
    assert ax.title.get_position()[0] == 0.5
    assert labels(ax.yaxis) == ["first", "second"]


def test_titles_are_wrapped_to_the_room_beside_their_neighbours():
    figure, axes = plt.subplots(1, 3, figsize=(5, 3), layout="constrained")
    for ax in axes:
        ax.set_title(LONG)
    axes[0].set_ylabel(" ".join([LONG, LONG]))
    fit_texts(figure, axes)
    figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in axes]
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
    assert all(inside(figure, text) for text in (*(ax.title for ax in axes), axes[0].yaxis.label))
    assert axes[0].get_title().replace("\n", " ") == LONG


def test_a_title_moves_into_the_figure():
    figure = plt.figure(figsize=(4, 2))
    ax = figure.add_axes((0.8, 0.1, 0.15, 0.7))
    ax.set_title("a title of some length")
    fit_texts(figure, [ax])
    assert ax.get_title() == "a title of some length"
    assert ax.title.get_position()[0] < 0.5
    assert inside(figure, ax.title)


def test_names_take_less_than_half_and_overlap_nowhere():
    figure, ax = plt.subplots(figsize=(2, 1), layout="constrained")
    ax.set_yticks(range(30), [f"{LONG} {i}" for i in range(30)])
    fit_texts(figure, [ax])
    figure.draw_without_rendering()
    shown = [label for label in ax.get_yticklabels() if label.get_text()]
    assert 1 < len(shown) < 30
    assert max(label.get_window_extent().width for label in shown) <= 0.5 * figure.bbox.width
    boxes = sorted((label.get_window_extent().y0, label.get_window_extent().y1) for label in shown)
    assert all(below[1] <= above[0] + 1 for below, above in zip(boxes, boxes[1:], strict=False))


def test_names_that_overlap_below_the_axis_are_turned():
    figure, ax = plt.subplots(figsize=(2, 3), layout="constrained")
    ax.set_xticks(range(5), [f"condition {i}" for i in range(5)])
    fit_texts(figure, [ax])
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90.0}


def test_numbers_become_fewer():
    figure, ax = plt.subplots(figsize=(0.9, 2), layout="constrained")
    ax.plot([0, 12345], [0, 1])
    ax.locator_params(axis="x", nbins=10)
    fit_texts(figure, [ax])
    low, high = ax.get_xlim()
    assert sum(low <= tick <= high for tick in ax.get_xticks()) <= 2


@pytest.mark.parametrize("text", ["word", r"$\log_{10}$ p", "x" * 80])
def test_a_word_is_cut_and_a_formula_is_not(text):
    figure = plt.figure(figsize=(2, 1))
    label = figure.text(0, 0, text)
    wrap(label, 100.0)
    assert label.get_text() == (text if len(text) < 80 else label.get_text())
    assert label.get_window_extent().width <= 100.0
    assert np.isfinite(label.get_window_extent().width)
