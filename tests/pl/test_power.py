from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scpi import pl

SIZE = {"n_controls": 100, "n_replicates": 1, "n_guides": 1}


@pytest.fixture
def table():
    rows = [
        {"n_cells": n, **SIZE, "depth": depth, "perturbation": name, "n_changed": changed, "power": power * depth}
        for depth in (0.5, 1.0)
        for n, powers in ((25, (0.2, 0.6)), (50, (0.4, 0.8)))
        for name, changed, power in zip("AB", (30.0, 10.0), powers, strict=True)
    ]
    # Nothing changes under the third
    return pd.DataFrame([*rows, rows[-1] | {"perturbation": "C", "n_changed": 0.0, "power": np.nan}])


def test_a_line_for_each_size_is_the_power_over_all_genes(table):
    axes = pl.power(table, show=False)
    lines = {line.get_label(): line for line in axes.lines if line.get_marker() == "o"}
    assert list(lines) == ["depth 0.5", "depth 1"]
    assert lines["depth 1"].get_xdata().tolist() == [25, 50]
    np.testing.assert_allclose(lines["depth 1"].get_ydata(), [(0.2 * 30 + 0.6 * 10) / 40, (0.4 * 30 + 0.8 * 10) / 40])
    np.testing.assert_allclose(lines["depth 0.5"].get_ydata(), [0.15, 0.25])
    (legend,) = axes.get_figure().legends
    assert [text.get_text() for text in legend.get_texts()] == ["depth 0.5", "depth 1"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Cells per perturbation", "Power")


def test_a_single_line_has_the_perturbations_behind_it(table):
    axes = pl.power(table[table["depth"] == 1], show=False)
    pale = [line.get_ydata().tolist() for line in axes.lines if line.get_color() == "0.85"]
    assert pale == [[0.2, 0.4], [0.6, 0.8]]
    assert axes.get_legend() is None


def test_a_figure_fits_a_page_and_goes_on_given_axes(table):
    figure = pl.power(table, return_fig=True)
    assert figure.get_figwidth() <= 7.09
    _, (left, right) = plt.subplots(1, 2)
    assert pl.power(table, ax=left) is left
    assert not right.has_data()
    assert pl.power(table, figsize=(5, 4), return_fig=True).get_size_inches().tolist() == [5, 4]


def test_another_table_is_an_error(table):
    with pytest.raises(KeyError, match="no column 'power': use the result of `scpi.design.power`"):
        pl.power(table.drop(columns="power"))
