from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import summarise
from scpi.benchmark.grid._reporting._nulls import compare_nulls
from scpi.benchmark.grid._reporting._ranking import CONDITION, benchmarks, rank

BASE = np.linspace(0.2, 0.5, 8)


@pytest.fixture
def compared(scores):
    """A function that compares models with nulls, whose names say what they are nulls of."""

    def make(metric="pearson", **models):
        table = scores(metric, **models)
        is_null = table["model"].str.startswith("null of ")
        table["null_of"] = np.where(is_null, table["model"].str.removeprefix("null of "), "")
        (one,) = benchmarks(table)
        return one, compare_nulls(one, [metric], n_bootstrap=200, rng=0)

    return make


def test_the_difference_is_paired_over_conditions(compared):
    noise = np.array([0.1, -0.1, 0.05, 0.0, 0.2, 0.1, 0.15, 0.1])
    one, found = compared(m=BASE, null_of_m=BASE - noise, other=BASE + 0.1)
    row = found.iloc[0]
    assert row[["model", "null", "standing", "n"]].tolist() == ["m", "null of m", "above", 8]
    assert row["difference"] == pytest.approx(noise.mean()) and row["fraction_better"] == 6 / 8
    both = pd.concat([one.scores, one.nulls])
    known = summarise(
        both[both["model"].isin(["m", "null of m"])], baseline="null of m", pair_by=CONDITION, n_bootstrap=200
    )
    expected = known.set_index("model").loc["m"]
    assert (row["low"], row["high"]) == (expected["low"], expected["high"])
    assert row["null_mean"] == pytest.approx((BASE - noise).mean())


def test_errors_are_turned_round(compared):
    _, found = compared("rmse", m=BASE, null_of_m=BASE + 0.1, x=BASE, null_of_x=BASE - 0.1)
    assert found["standing"].tolist() == ["above", "below"]
    assert found["difference"].tolist() == pytest.approx([-0.1, 0.1])


def test_the_same_predictions_differ_by_nothing(compared):
    _, found = compared(m=BASE, null_of_m=BASE)
    assert found[["difference", "low", "high", "standing"]].iloc[0].tolist() == [0.0, 0.0, 0.0, "level"]


def test_few_conditions_say_nothing(compared):
    _, found = compared(m=BASE[:5], null_of_m=BASE[:5] - 0.3)
    assert found["standing"].tolist() == ["too few"]
    _, found = compared(m=BASE[:1], null_of_m=BASE[:1] - 0.3)
    assert found["low"].isna().all() and found["difference"].iloc[0] == pytest.approx(0.3)


def test_seeds_are_averaged_and_pairs_need_both(compared):
    seeds = [[value, value + 0.2] for value in BASE]
    # The null lacks the second seed of all but the first condition
    null = [[value - 0.1, value + 0.1 if place == 0 else np.nan] for place, value in enumerate(BASE)]
    _, found = compared(m=seeds, null_of_m=null)
    assert found["difference"].iloc[0] == pytest.approx(0.1) and found["n"].iloc[0] == 8


def test_nulls_take_no_part_in_the_ranking(compared):
    one, found = compared(m=BASE, null_of_m=BASE + 1, x=BASE, null_of_x=BASE)
    ranking = rank(one, ["pearson"], [], n_bootstrap=50, rng=0)
    # Models with the same predictions are one, and each keeps its null
    assert ranking["model"].tolist() == ["m = x"]
    assert found["null"].tolist() == ["null of m", "null of x"] and set(found["model"]) == {"m = x"}
