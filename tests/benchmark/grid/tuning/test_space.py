from __future__ import annotations

import pytest

from scpi.benchmark.grid import GridModel
from scpi.benchmark.grid._tuning._space import distribution, setting

optuna = pytest.importorskip("optuna")
D = optuna.distributions


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"low": 1e-5, "high": 1e-2, "log": True}, D.FloatDistribution(1e-5, 1e-2, log=True)),
        ({"low": 0, "high": 0.5, "step": 0.1}, D.FloatDistribution(0.0, 0.5, step=0.1)),
        ({"low": 20, "high": 200, "step": 20}, D.IntDistribution(20, 200, step=20)),
        ({"low": 1, "high": 512, "log": True}, D.IntDistribution(1, 512, log=True)),
        ([8, 16, None, "a"], D.CategoricalDistribution([8, 16, None, "a"])),
        ([[64, 32], [128]], D.CategoricalDistribution(["[64, 32]", "[128]"])),
    ],
)
def test_ranges_and_lists(value, expected):
    assert distribution(value) == expected


def test_suggested_values_are_those_of_the_grid():
    assert setting([[64, 32], [128]], "[128]") == [128]
    assert setting([8, None], None) is None
    assert setting({"low": 0, "high": 9}, 7) == 7


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"trian.lr": [1]}, r"tune.trian.lr: unknown part of a model 'trian', did you mean 'train'\?"),
        ({"train": [1]}, "tune.train: must name an argument, as in 'train.name'"),
        ({"train.lr": 3}, "tune.train.lr: must be a list of values, or"),
        ({"train.lr": []}, "is empty"),
        ({"train.lr": {"low": 1}}, "has no entry 'high'"),
        ({"train.lr": {"low": 1, "hi": 2}}, "tune.train.lr.hi: unknown entry 'hi', did you mean 'high'"),
        ({"train.lr": {"low": 2, "high": 1}}, r"'low' \(2\) must be below 'high' \(1\)"),
        ({"train.lr": {"low": "a", "high": 1}}, "train.lr.low: must be a number"),
        ({"train.lr": {"low": 0.0, "high": 1, "log": True}}, "begins above 0"),
        ({"train.lr": {"low": 1, "high": 5, "step": 0.5}}, "a whole number where 'low' and 'high' are"),
    ],
)
def test_mistakes_are_named(tune, message):
    with pytest.raises(ValueError, match=message):
        GridModel(model="NoChange", tune=tune)


def test_what_is_tuned_does_not_vary():
    with pytest.raises(ValueError, match="cannot be combined with 'vary'"):
        GridModel(model="NoChange", tune={"train.lr": [1, 2]}, vary={"train.lr": [1]})
