from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import summarise
from scpi.benchmark.grid._reporting._ranking import CONDITION, benchmarks, by_context, comparable, kind_of, rank

NAN = float("nan")
BASE = np.linspace(0.2, 0.5, 8)
NOISE = np.array([0.05, -0.04, 0.03, -0.05, 0.04, -0.03, 0.02, -0.03])


def ranked(benchmark, metric="pearson", baselines=("base",)):
    return rank(benchmark, [metric], baselines, n_bootstrap=500, rng=0).set_index("model")


def test_models_that_cannot_be_told_apart_share_a_rank(benchmark_of):
    found = ranked(benchmark_of(base=BASE, same=BASE + NOISE, good=BASE + 0.2 + NOISE, poor=BASE - 0.2))
    assert list(found.index) == ["good", "base", "same", "poor"]
    assert found["rank"].tolist() == [1, 2, 2, 4]
    assert found["tied"].tolist() == [False, True, True, False]
    assert found["standing"].tolist() == ["ahead", "best baseline", "level", "behind"]
    assert found["kind"].tolist() == ["model", "baseline", "model", "model"]
    assert (found["n_conditions"] == 8).all() and (found["n_seeds"] == 1).all()


def test_differences_are_those_of_the_summary(benchmark_of):
    benchmark = benchmark_of(base=BASE, other=BASE[::-1], m=BASE + NOISE)
    found = ranked(benchmark, baselines=["base", "other"])
    expected = summarise(
        benchmark.scores,
        baseline="base",
        metrics=["pearson"],
        pair_by=[name for name in CONDITION if name != "group"],
        average_over=["seed"],
        n_bootstrap=500,
    ).set_index("model")
    for name in ("difference", "low", "high", "mean", "mean_low", "mean_high"):
        assert found.loc["m", name] == pytest.approx(expected.loc["m", name])
    assert found.loc["m", "fraction_better"] == 0.5 and found.loc["m", "baseline"] == "base"


def test_errors_are_better_if_they_are_small(scores):
    table = scores(metric="rmse", base=BASE, good=BASE - 0.1 + NOISE / 9, poor=BASE + 0.3)
    (benchmark,) = benchmarks(table)
    found = ranked(benchmark, "rmse")
    assert found["rank"].to_dict() == {"good": 1, "base": 2, "poor": 3}
    assert found["standing"].to_dict() == {"good": "ahead", "base": "best baseline", "poor": "behind"}
    assert found.loc["good", "difference"] == pytest.approx(-0.1, abs=0.01)


def test_seeds_are_no_further_evidence(benchmark_of):
    """Two conditions with fifty seeds each are two pairs, and too few to call a model better."""
    values = np.tile([[0.5], [0.6]], 50)
    found = ranked(benchmark_of(base=values, m=values + 0.1))
    assert (found["n"] == 2).all() and (found["n_seeds"] == 50).all() and (found["n_common"] == 100).all()
    assert found.loc["m", "standing"] == "too few"
    one = ranked(benchmark_of(base=[0.5], m=[0.9]))
    assert one["rank"].tolist() == [1, 1] and one[["low", "high"]].isna().all().all()


def test_all_are_compared_on_what_all_have(benchmark_of):
    """One model failed where all are poor: it does not gain by that."""
    hard = np.where(np.arange(8) < 2, -0.5, BASE)
    failed = [None, None, *BASE[2:]]
    found = ranked(benchmark_of(base=hard, m=failed))
    assert found.loc["m", "mean"] == found.loc["base", "mean"] == pytest.approx(BASE[2:].mean())
    assert (found["n_common"] == 6).all() and (found["n_all"] == 8).all()


def test_models_with_few_values_are_named_and_take_nothing_from_others(benchmark_of):
    found = ranked(benchmark_of(base=BASE, m=BASE + 0.1, rare=[NAN] * 5 + [0.9] * 3, never=[NAN] * 8))
    assert found["standing"].to_dict() == {
        "m": "ahead",
        "base": "best baseline",
        "rare": "not ranked",
        "never": "not ranked",
    }
    assert found.loc["rare", "n"] == 3 and np.isnan(found.loc["rare", "rank"])
    assert (found["n_common"] == 8).all()


def test_models_without_a_condition_in_common(benchmark_of):
    half = [0.5] * 4
    found = comparable(benchmark_of(a=half + [NAN] * 4, b=[NAN] * 4 + half, c=[0.1] * 8).scores, "pearson")
    assert (found.models, found.left_out, found.n_common, found.n_all) == (["b", "c"], ["a"], 4, 8)
    assert ranked(benchmark_of(a=[NAN] * 3)).empty


def test_models_with_the_same_predictions_are_one(scores):
    (benchmark,) = benchmarks(scores(base=BASE, copy=BASE, m=BASE + 0.1))
    found = ranked(benchmark)
    assert list(found.index) == ["m", "base = copy"] and found.loc["base = copy", "kind"] == "baseline"
    assert found.loc["m", "baseline"] == "base = copy"
    (benchmark,) = benchmarks(scores(base=BASE, **{"negative_bound": BASE / 2, "no_change_bound": BASE / 2}))
    assert list(ranked(benchmark).index) == ["base", "negative bound", "no change bound"]
    assert kind_of("a = b", ["b"]) == "baseline" and kind_of("ab", ["b"]) == "model"


def test_the_ceiling_gives_a_scale(benchmark_of):
    models = {"base": BASE, "m": BASE + 0.1, "split-half ceiling": BASE + 0.2, "perfect prediction": BASE + 0.3}
    found = ranked(benchmark_of(**models))
    assert found.loc[["base", "m", "split-half ceiling"], "scaled"].tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert found.loc[["split-half ceiling", "perfect prediction"], "kind"].tolist() == ["reference"] * 2
    assert found.loc["perfect prediction", ["rank", "standing"]].isna().all()


def test_parts_of_a_table_are_apart(scores):
    table = pd.concat([scores(base=BASE), scores(data="e", base=BASE[:3]), scores(scheme="t", base=BASE)])
    assert [(one.data, one.scheme, len(one.scores)) for one in benchmarks(table)] == [
        ("d", "s", 8),
        ("e", "s", 3),
        ("d", "t", 8),
    ]


def test_means_by_context(benchmark_of):
    found = by_context(benchmark_of(base=BASE, m=BASE + 0.1), ["pearson"]).set_index(["context", "model"])
    assert found.loc[("c0", "base"), "mean"] == pytest.approx(BASE[::2].mean())
    assert found.loc[("c1", "m"), ["mean", "n"]].tolist() == pytest.approx([BASE[1::2].mean() + 0.1, 4])
