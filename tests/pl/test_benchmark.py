from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scpi import pl
from scpi.benchmark import summarise
from scpi.pl._figure import BLUE, GREY


@pytest.fixture(scope="module")
def summary():
    scores = {"net": (0.9, 0.2), "mean": (0.8, 0.4), "none": (np.nan, 1.0), "top": (0.95, 0.1)}
    rows = [
        {"model": name, "perturbation": label, "pearson": pearson + shift, "rmse": rmse - shift}
        for name, (pearson, rmse) in scores.items()
        for label, shift in {"P": -0.02, "Q": 0.02}.items()
    ]
    return summarise(pd.DataFrame(rows))


def names(axes):
    return [label.get_text() for label in axes[0].get_yticklabels()]


def test_models_are_ranked_and_what_has_no_value_comes_last(summary):
    axes = pl.benchmark(summary, ceiling="top", baselines=["mean", "none"], show=False)
    assert names(axes) == ["net", "mean", "none"]
    assert [ax.get_xlabel() for ax in axes] == ["pearson \N{UPWARDS ARROW}", "rmse \N{DOWNWARDS ARROW}"]
    dots = [line for line in axes[1].lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == pytest.approx([0.2, 0.4, 1.0])
    assert [to_hex(line.get_color()).upper() for line in dots] == [BLUE, GREY, GREY]
    # The interval of two pairs is their range
    bars = [line for line in axes[1].lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert list(bars[0].get_xdata()) == pytest.approx([0.18, 0.22])
    ceiling = next(line for line in axes[0].lines if line.get_label() == "top")
    assert list(ceiling.get_xdata()) == pytest.approx([0.95, 0.95])


def test_several_ceilings_are_lines_of_their_own(summary):
    summary = pd.concat([summary, summary[summary["model"] == "top"].assign(model="perfect")])
    summary.loc[(summary["model"] == "perfect") & (summary["metric"] == "rmse"), ["mean", "mean_low", "mean_high"]] = (
        np.nan
    )
    axes = pl.benchmark(summary, ceiling=["top", "perfect"], show=False)
    assert names(axes) == ["net", "mean", "none"]
    styles = [
        {line.get_label(): line.get_linestyle() for line in ax.lines if line.get_label()[0] != "_"} for ax in axes
    ]
    assert styles == [{"top": "--", "perfect": ":"}, {"top": "--"}]


def test_the_order_metrics_and_words_can_be_chosen(summary):
    axes = pl.benchmark(summary, metrics="rmse", models=["none", "net"], labels={"rmse": "error"}, show=False)
    assert len(axes) == 1 and names(axes) == ["none", "net"]
    assert axes[0].get_xlabel() == "error \N{DOWNWARDS ARROW}"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"metrics": ["r2"]}, "no metric 'r2', only 'pearson', 'rmse'"),
        ({"models": ["best"]}, "no model 'best'"),
        ({"baselines": ["worst"]}, "no model 'worst'"),
        ({"ceiling": "sky"}, "no model 'sky'"),
    ],
)
def test_what_is_not_in_the_table(summary, kwargs, message):
    with pytest.raises(ValueError, match=message):
        pl.benchmark(summary, show=False, **kwargs)


def test_a_table_of_scores_is_no_summary(summary):
    with pytest.raises(KeyError, match="'mean_low'.*summarise"):
        pl.benchmark(summary.drop(columns="mean_low"), show=False)
