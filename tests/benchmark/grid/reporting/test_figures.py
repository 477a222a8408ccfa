from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi.benchmark.grid._reporting._figures import (
    brief_number,
    cost_figure,
    heat_map,
    rank_text,
    ranking_figure,
    short,
)
from scpi.benchmark.grid._reporting._ranking import by_context, rank

BASE = np.linspace(0.2, 0.5, 8)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def benchmark_(benchmark_of):
    return benchmark_of(base=BASE, m=BASE + 0.1, never=[np.nan] * 8, **{"split-half_ceiling": BASE + 0.2})


@pytest.fixture
def ranking(benchmark_):
    return rank(benchmark_, ["pearson"], ["base"], n_bootstrap=50, rng=0)


def test_models_are_dots_in_the_order_of_their_ranks(ranking):
    (ax,) = ranking_figure(ranking, pd.DataFrame()).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["m  1", "base  2"]
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"}
    assert dots == pytest.approx({0: BASE.mean() + 0.1, 1: BASE.mean()})
    assert ax.get_xlabel() == "pearson (higher is better)"
    (line,) = (line for line in ax.lines if line.get_label() == "split-half ceiling")
    assert line.get_xdata()[0] == pytest.approx(BASE.mean() + 0.2)


def test_a_null_is_open_below_its_model_with_the_difference(ranking):
    null = {"model": "base", "null": "null of base", "null_mean": 0.1, "null_low": 0.0, "null_high": 0.2}
    nulls = pd.DataFrame([null | {"difference": 0.25, "low": 0.2, "high": 0.3}])
    (ax,) = ranking_figure(ranking, nulls).axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    place = names.index("null of base  ")
    assert names[place - 1].startswith("base")
    (point,) = (line for line in ax.lines if line.get_marker() == "o" and line.get_markerfacecolor() == "white")
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (0.1, place)
    assert [text.get_text() for text in ax.texts] == ["+0.25 [+0.20, +0.30]"]


def test_a_heat_map_has_a_number_in_every_context(benchmark_, ranking):
    ax = heat_map(by_context(benchmark_, ["pearson"]), ranking).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["m", "base", "split-half ceiling"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["c0", "c1"]
    assert ax.texts[0].get_text() == f"{BASE[::2].mean() + 0.1:.2f}" and len(ax.texts) == 6


def test_costs_stand_beside_the_score(ranking):
    costs = pd.DataFrame(
        {"model": ["m", "base"], "seconds": [20.0, 0.5], "memory_mb": [800.0, 300.0], "n_parameters": [12_000, 0]}
    )
    axes = cost_figure(costs, ranking).axes
    assert [ax.get_xlabel() for ax in axes] == ["pearson", "seconds", "MB", "parameters"]
    assert [text.get_text() for text in axes[1].texts] == ["20", "0.5"]
    # A baseline without parameters has no dot
    assert [text.get_text() for text in axes[3].texts] == ["12k"]
    assert len(cost_figure(costs.assign(n_parameters=0), ranking).axes) == 3


def test_names_and_numbers_are_short():
    assert [brief_number(x) for x in (0.123, 57.4, 512, 999, 1200, 691031, 2.5e7)] == [
        *("0.12", "57", "512", "1k", "1.2k", "691k", "25M")
    ]
    assert short("a" * 40) == "a" * 23 + "..." and short("model") == "model"
    assert rank_text(pd.Series({"rank": 3.0, "tied": True})) == "3=" and rank_text(pd.Series({"rank": None})) == ""
