from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi._report._figures import comparison_figure, encode_figures

VALUES = {"SENAVAE": [0.9, 0.7, 0.8], "additive": [0.5, np.nan, 0.7], "split-half ceiling": [0.95, 0.9, 1.0]}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def scores():
    rows = [
        {"model": model, "perturbation": name, "pearson": value, "rmse": 1.0 - value}
        for model, values in (VALUES | {"perfect prediction": [1.0] * 3, "nothing": [np.nan] * 3}).items()
        for name, value in zip("PQR", values, strict=True)
    ]
    return pd.DataFrame(rows)


def test_there_is_a_dot_for_each_score_and_a_bar_at_the_mean(scores):
    (ax,) = comparison_figure(scores).axes
    names = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    # Models without a score are left out, and so is the ceiling that is a number
    assert names == list(VALUES)
    dots = [points for points in ax.collections if len(points.get_offsets()) == 3]
    for points, (position, values) in zip(dots, enumerate(VALUES.values()), strict=True):
        np.testing.assert_allclose(np.ma.filled(points.get_offsets()[:, 1], np.nan), values)
        assert np.abs(points.get_offsets()[:, 0] - position).max() < 0.2
    assert [text.get_text() for text in ax.texts] == [f"{np.nanmean(values):.3f}" for values in VALUES.values()]


def test_another_score_can_be_drawn(scores):
    (ax,) = comparison_figure(scores, metric="rmse").axes
    assert ax.get_ylabel() == "rmse"
    assert ax.texts[0].get_text() == "0.200"


def test_a_figure_becomes_a_png_of_its_width_and_is_closed():
    figure, _ = plt.subplots(figsize=(4, 2))
    ((title, caption, data, width),) = encode_figures([("a", "b", lambda: figure)])
    assert (title, caption) == ("a", "b")
    png = base64.b64decode(data)
    assert png.startswith(b"\x89PNG")
    assert width == round(int.from_bytes(png[16:20], "big") / 1.5)
    # Tight around what is drawn, at 150 dots an inch
    assert 0.8 * 600 < width * 1.5 < 1.05 * 600
    assert not plt.fignum_exists(figure.number)
