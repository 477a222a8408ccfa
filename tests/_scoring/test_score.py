from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._metrics import METRICS, NAMES
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score
from scpi.metrics import perturbation_discrimination


def make(seed, *, context="", n=10):
    rng = np.random.default_rng(seed)
    change = rng.normal(0, 1, 8)
    x = rng.normal(3, 0.3, (4, n, 8)).astype(np.float32)
    x[:2] += change.astype(np.float32)
    return Prediction(real=x[0], predicted=x[1], start=x[2], reference=x[3], context=context)


def test_rows_are_in_the_order_of_conditions_and_metrics():
    rows = score((make(seed) for seed in range(3)), ["rmse", "discrimination", "pearson"])
    assert [list(row) for row in rows] == [["rmse", "discrimination", "pearson"]] * 3
    alone = [score([make(seed)], ["rmse"])[0]["rmse"] for seed in range(3)]
    assert [row["rmse"] for row in rows] == alone


def test_conditions_are_told_from_others_of_their_context():
    made = [
        make(0, context="a"),
        make(1, context="b"),
        make(2, context="a"),
        make(3, context="a"),
        make(4, context="c"),
    ]
    found = [row["discrimination"] for row in score(made, ["discrimination"])]
    own = [made[place] for place in (0, 2, 3)]
    expected = perturbation_discrimination(*(np.stack([one.change[side] for one in own]) for side in (0, 1)))
    assert [found[place] for place in (0, 2, 3)] == pytest.approx(list(expected))
    # One condition alone has none to be told from
    assert np.isnan([found[1], found[4]]).all()


def test_what_is_not_there_has_no_value():
    row = score([make(0, n=1)], list(NAMES))[0]
    for name, value in row.items():
        of_means = name in METRICS and METRICS[name].space == "means" and name != "pearson_perturbed"
        assert np.isfinite(value) is np.bool_(of_means), name
