from __future__ import annotations

import base64
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi.screen._figures import _encode, comparison_figure, history_figure

VALUES = {"SENAVAE": [0.9, 0.7, 0.8], "additive": [0.5, np.nan, 0.7], "split-half ceiling": [0.95, 0.9, 1.0]}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def result():
    rows = [
        {"model": model, "perturbation": name, "pearson": value, "rmse": 1.0 - value}
        for model, values in (VALUES | {"perfect prediction": [1.0] * 3, "nothing": [np.nan] * 3}).items()
        for name, value in zip("PQR", values, strict=True)
    ]
    history = {
        "objective_train": pd.DataFrame({"objective_train": [5.0, 4.0, 3.0]}),
        "objective_validation": pd.DataFrame({"objective_validation": [6.0, 5.5]}, index=[0, 2]),
        "mmd_train": pd.DataFrame({"mmd_train": [0.3, 0.2, 0.1]}),
        "lr_train": pd.DataFrame({"lr_train": [1.0, 1.0, 1.0]}),
    }
    return SimpleNamespace(scores=pd.DataFrame(rows), model=SimpleNamespace(history=history))


def test_there_is_a_dot_for_each_score_and_a_bar_at_the_mean(result):
    (ax,) = comparison_figure(result.scores).axes
    names = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    # Models without a score are left out, and so is the ceiling that is a number
    assert names == list(VALUES)
    dots = [points for points in ax.collections if len(points.get_offsets()) == 3]
    for points, (position, values) in zip(dots, enumerate(VALUES.values()), strict=True):
        np.testing.assert_allclose(np.ma.filled(points.get_offsets()[:, 1], np.nan), values)
        assert np.abs(points.get_offsets()[:, 0] - position).max() < 0.2
    assert [text.get_text() for text in ax.texts] == [f"{np.nanmean(values):.3f}" for values in VALUES.values()]


def test_another_score_can_be_drawn(result):
    (ax,) = comparison_figure(result.scores, metric="rmse").axes
    assert ax.get_ylabel() == "rmse"
    assert ax.texts[0].get_text() == "0.200"


def test_the_history_has_a_panel_for_each_part_of_the_objective(result):
    axes = history_figure(result).axes
    assert [ax.get_title() for ax in axes] == ["Objective", "Discrepancy (MMD)"]
    train, validation = axes[0].lines
    assert (train.get_label(), train.get_ydata().tolist()) == ("train", [5.0, 4.0, 3.0])
    assert (validation.get_label(), validation.get_xdata().tolist()) == ("validation", [0, 2])
    assert len(axes[1].lines) == 1


def test_a_figure_becomes_a_png_of_its_width_and_is_closed():
    figure, _ = plt.subplots(figsize=(4, 2))
    data, width = _encode(figure)
    png = base64.b64decode(data)
    assert png.startswith(b"\x89PNG")
    assert width == round(int.from_bytes(png[16:20], "big") / 1.5)
    # Tight around what is drawn, at 150 dots an inch
    assert 0.8 * 600 < width * 1.5 < 1.05 * 600
    assert not plt.fignum_exists(figure.number)
