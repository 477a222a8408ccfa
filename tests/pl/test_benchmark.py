from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scpi import pl
from scpi.benchmark import list_metrics, summarise
from scpi.pl._figure import BLUE, GREY

BOTH = ["pearson", "rmse"]
HIGHER, LOWER = "\N{UPWARDS ARROW} higher is better", "\N{DOWNWARDS ARROW} lower is better"


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
    axes = pl.benchmark(summary, metrics=BOTH, ceiling="top", baselines=["mean", "none"], show=False)
    assert names(axes) == ["net", "mean", "none"]
    assert [ax.get_xlabel() for ax in axes] == [
        "correlation of the change\n\N{UPWARDS ARROW} higher is better",
        "rmse\n\N{DOWNWARDS ARROW} lower is better",
    ]
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
    axes = pl.benchmark(summary, metrics=BOTH, ceiling=["top", "perfect"], show=False)
    assert names(axes) == ["net", "mean", "none"]
    styles = [
        {line.get_label(): line.get_linestyle() for line in ax.lines if line.get_label()[0] != "_"} for ax in axes
    ]
    assert styles == [{"top": "--", "perfect": ":"}, {"top": "--"}]


def test_the_order_metrics_and_words_can_be_chosen(summary):
    axes = pl.benchmark(summary, metrics="rmse", models=["none", "net"], labels={"rmse": "error"}, show=False)
    assert len(axes) == 1 and names(axes) == ["none", "net"]
    assert axes[0].get_xlabel() == "error\n\N{DOWNWARDS ARROW} lower is better"


def test_the_first_figure_has_one_metric_of_each_kind():
    scores = {name: [0.1, 0.2] for name in list_metrics()["metric"]}
    both = [
        pd.DataFrame({"model": name, "perturbation": ["P", "Q"]} | scores).assign(rmse=i) for i, name in enumerate("ab")
    ]
    figure = pl.benchmark(summarise(pd.concat(both)), ceiling="b", show=False, return_fig=True)
    figure.draw_without_rendering()
    shown = [ax.get_xlabel().split("\n") for ax in figure.axes]
    assert shown == [
        ["correlation of the change", HIGHER],
        ["error / size of the change", LOWER],
        ["R² of the change, weighted", HIGHER],
        ["DE genes in common", HIGHER],
        ["ranking of DE genes", HIGHER],
        ["energy distance of the cells", LOWER],
    ]
    # Two rows of three, with the names of the models at the left, and what the line is
    assert [any(label.get_visible() for label in ax.get_yticklabels()) for ax in figure.axes] == [
        True,
        False,
        False,
    ] * 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b"]
    # Without any of these, all that there is
    few = pd.concat(both)[["model", "perturbation", "rmse", "mae"]]
    assert len(pl.benchmark(summarise(few), show=False)) == 2


def test_models_that_are_one_are_found_by_each_name():
    rows = [
        {"model": name, "perturbation": label, "rmse": value + shift}
        for name, value in {"mean": 0.4, "nearest": 0.4, "net": 0.2}.items()
        for label, shift in {"P": 0.0, "Q": 0.1}.items()
    ]
    (axes,) = pl.benchmark(summarise(pd.DataFrame(rows)), models=["nearest", "net"], baselines="nearest", show=False)
    assert names([axes]) == ["mean = nearest", "net"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [to_hex(line.get_color()).upper() for line in dots] == [GREY, BLUE]


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
