from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from scpi.pl._set_heatmap import choose, draw, scaled_by_set

STORED = {"units": ["u", "v", "w"], "sets": ["p", "q", "r", "s"]}
VALUES = np.array([[9.0, 8.0, 7.0, 0.0], [0.0, 0.0, -3.0, 1.0], [0.1, 0.0, 0.0, 0.0]])


def run(units=None, sets=None, n_units=3, n_sets=4):
    rows, columns = choose(STORED, units=units, sets=sets, n_units=n_units, n_sets=n_sets, by=VALUES)
    return [STORED["units"][i] for i in rows], [STORED["sets"][i] for i in columns]


def test_the_first_set_of_each_unit_comes_before_the_second_of_any():
    units, sets = run(n_units=2, n_sets=2)
    assert set(units) == {"u", "v"}
    # Not q, though its value is larger than those of r and s for the second unit
    assert set(sets) == {"p", "r"}
    assert set(run(n_sets=3)[1]) == {"p", "q", "r"}


def test_what_is_named_keeps_its_order():
    assert run(units=["w", "u"], sets=["s", "p"]) == (["w", "u"], ["s", "p"])
    with pytest.raises(ValueError, match="These gene sets were not tested: 'z'"):
        run(sets=["p", "z"])
    with pytest.raises(ValueError, match="no unit 'z'"):
        run(units=["z"])


def test_impacts_are_scaled_within_each_set():
    found = scaled_by_set(np.array([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]]))
    np.testing.assert_array_equal(found, [[0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])


def test_the_matrix_is_drawn_with_its_names_and_marks():
    matrix = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
    marks = np.array([[True, False, False], [False, False, True]])
    ax = draw(
        matrix,
        ["u", "v", "w"],
        ["HALLMARK_A_SET", "b"],
        marks=marks,
        label="z",
        xlabel="Unit",
        ax=None,
        figsize=None,
        show=False,
        return_fig=False,
    )
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix)
    low, high = ax.images[0].get_clim()
    assert -low == high <= 3.0
    assert ax.collections[0].get_offsets().tolist() == [[0.0, 0.0], [2.0, 1.0]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["u", "v", "w"]
    plt.close(ax.figure)
