from __future__ import annotations

import numpy as np
import pandas as pd

from scpi.benchmark.grid._reporting._ranking import benchmarks, rank
from scpi.benchmark.grid._reporting._regimes import REGIMES, regime_of, regimes

# Without a signal, near-solved, between, resistant
VALUES = {
    "base": [0.3, 0.9, 0.5, 0.0, 0.6],
    "m": [0.4, 0.8, 0.6, 0.1, 0.5],
    "split-half_ceiling": [-0.1, 0.8, 0.9, 0.7, 0.9],
    "no_change_bound": [np.nan] * 5,
}


def of(table, metric="pearson"):
    (benchmark,) = benchmarks(table)
    return regimes(benchmark, rank(benchmark, [metric], ["base"], n_bootstrap=50, rng=0))


def test_conditions_by_how_far_the_baseline_gets(scores):
    found = of(scores(**VALUES)).set_index(["model", "regime"])
    assert found.loc["m", "n_conditions"].to_dict() == dict(zip(REGIMES, (1, 1, 2, 1), strict=True))
    assert found.loc["m", "n_wins"].to_dict() == dict(zip(REGIMES, (1, 0, 1, 1), strict=True))
    assert (found["baseline"] == "base").all() and (found.loc["base", "n_wins"] == 0).all()
    np.testing.assert_allclose(found.loc["m", "difference"], [0.1, -0.1, 0.0, 0.1], atol=1e-12)


def test_errors_are_turned_round(scores):
    errors = {name: [None if np.isnan(x) else 1 - x for x in values] for name, values in VALUES.items()}
    errors["no_change_bound"] = [1.0] * 5
    found = of(scores(metric="rmse", **errors), "rmse").set_index(["model", "regime"])
    assert found.loc["m", "n_wins"].tolist() == [1, 0, 1, 1]
    np.testing.assert_allclose(found.loc["m", "difference"], [-0.1, 0.1, 0.0, -0.1], atol=1e-12)


def test_nothing_is_said_without_a_baseline_or_a_ceiling(scores):
    assert of(scores(base=[0.1, 0.2], m=[0.2, 0.3])).empty
    assert of(scores(other=[0.1, 0.2], **{"split-half_ceiling": [0.5, 0.5]})).empty


def test_what_is_missing_has_no_regime():
    values = [pd.Series(column) for column in ([np.nan, 0.1, 0.1], [0.5, np.nan, 0.5], [0.0, 0.0, 0.0])]
    assert regime_of(*values).tolist() == ["", "", "between"]
