from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import summarise


def table(rmse, pearson=None):
    """Long table from one list of values a model."""
    n = len(next(iter(rmse.values())))
    names = [name for name in rmse for _ in range(n)]
    return pd.DataFrame(
        {
            "model": names,
            "perturbation": [f"p{i}" for _ in rmse for i in range(n)],
            "rmse": np.concatenate([rmse[name] for name in rmse]),
            "pearson": np.concatenate([(pearson or rmse)[name] for name in rmse]),
        }
    )


def test_means_and_paired_differences():
    result = summarise(table({"b": [1.0, 2.0, 3.0], "a": [0.5, 1.5, 4.0]}), baseline="b", metrics=["rmse"])
    assert list(result["model"]) == ["b", "a"]
    base, own = result.iloc[0], result.iloc[1]
    assert (base["mean"], own["mean"]) == (2.0, 2.0)
    assert np.isnan(base["difference"])
    assert own["difference"] == pytest.approx(0.0)
    # Lower errors are better: in two of three pairs
    assert own["share_better"] == pytest.approx(2 / 3)
    assert summarise(table({"b": [1.0, 2.0], "a": [2.0, 1.5]}), baseline="b").set_index(["model", "metric"]).loc[
        ("a", "pearson"), "share_better"
    ] == pytest.approx(0.5)


def test_a_shift_that_is_the_same_everywhere_has_no_uncertainty():
    values = np.random.default_rng(0).normal(size=30)
    result = summarise(table({"b": values, "a": values + 0.25}), baseline="b").set_index(["model", "metric"])
    row = result.loc[("a", "pearson")]
    assert [row["difference"], row["low"], row["high"]] == pytest.approx([0.25] * 3)


def test_the_interval_is_that_of_the_mean():
    rng = np.random.default_rng(1)
    base, difference = rng.normal(size=200), rng.normal(0.3, 1.0, size=200)
    result = summarise(table({"b": base, "a": base + difference}), baseline="b", n_bootstrap=4000)
    row = result.set_index(["model", "metric"]).loc[("a", "pearson")]
    half_width = 1.96 * difference.std(ddof=1) / np.sqrt(200)
    assert row["low"] == pytest.approx(difference.mean() - half_width, abs=0.1 * half_width)
    assert row["high"] == pytest.approx(difference.mean() + half_width, abs=0.1 * half_width)


def test_missing_values_are_left_out_in_pairs():
    nan = float("nan")
    result = summarise(table({"b": [1.0, nan, 3.0], "a": [2.0, 5.0, nan], "c": [nan] * 3}), baseline="b")
    rows = result[result["metric"] == "rmse"].set_index("model")
    assert rows.loc["a", "difference"] == 1.0
    assert list(rows["n"]) == [2, 2, 0]
    assert np.isnan(rows.loc["c", "difference"])


def test_several_runs_are_paired_by_what_tells_them_apart():
    one = table({"b": [1.0, 2.0], "a": [2.0, 3.0]}).assign(seed=0)
    two = table({"b": [1.0, 2.0], "a": [4.0, 5.0]}).assign(seed=1)
    both = pd.concat([one, two])
    with pytest.raises(ValueError, match="several rows"):
        summarise(both, baseline="b")
    result = summarise(both, baseline="b", pair_by=["seed", "perturbation"]).set_index(["model", "metric"])
    assert result.loc[("a", "rmse"), "difference"] == 2.0
    assert result.loc[("a", "rmse"), "n"] == 4


def test_wrong_names_are_errors():
    data = table({"b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="'x'"):
        summarise(data, baseline="x")
    with pytest.raises(KeyError, match="nothing"):
        summarise(data, metrics=["nothing"])
    assert "difference" not in summarise(data)


def test_seeds_are_averaged_before_pairs_are_drawn():
    values = table({"b": [0.0] * 4, "a": [1.0, 3.0, 5.0, 7.0]})
    values["seed"], values["perturbation"] = [0, 1] * 4, ["p", "p", "q", "q"] * 2
    kwargs = {"baseline": "b", "metrics": ["pearson"], "n_bootstrap": 500}
    apart = summarise(values, pair_by=["seed", "perturbation"], **kwargs).iloc[1]
    averaged = summarise(values, pair_by=["perturbation"], average_over=["seed"], **kwargs).iloc[1]
    assert (apart["n"], averaged["n"]) == (4, 2)
    assert apart["mean"] == averaged["mean"] == averaged["difference"] == 4.0
    # Of two pairs, 2 and 6, each may be drawn twice
    assert (averaged["mean_low"], averaged["mean_high"]) == (2.0, 6.0)
    assert (averaged["low"], averaged["high"]) == (2.0, 6.0)


def test_scaled_between_baseline_and_ceiling():
    values = table({"b": [0.2, 0.4], "a": [0.5, 0.7], "top": [0.9, 0.9]})
    result = summarise(values, baseline="b", ceiling="top", metrics=["pearson"]).set_index("model")["scaled"]
    assert result.to_dict() == pytest.approx({"b": 0.0, "a": 0.5, "top": 1.0})
    with pytest.raises(ValueError, match="`ceiling` must be one of the models"):
        summarise(values, baseline="b", ceiling="sky")


def test_models_with_the_same_scores_are_one():
    values = table({"b": [1.0, 2.0], "a": [0.5, 3.0], "c": [1.0, 2.0]})
    result = summarise(values, baseline="c", metrics="rmse")
    assert result["model"].tolist() == ["b = c", "a"]
    assert np.isnan(result.loc[0, "difference"]) and result.loc[1, "difference"] == pytest.approx(0.25)
