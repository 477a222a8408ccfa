from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._metrics import CONTRASTS, METRICS
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score

RNG = np.random.default_rng(0)
NAMES = [*METRICS, *CONTRASTS]


def make(shift=0.0, context="", n=12, **changes):
    start, reference = RNG.random((2, 12, 5))
    cells = {"real": RNG.random((n, 5)) + shift, "predicted": RNG.random((n, 5)) + shift}
    return Prediction(**cells, start=start, reference=reference, context=context, **changes)


def test_values_come_by_name_in_the_order_that_is_asked_for():
    one = make(np.arange(5.0))
    names = ["rmse", "pearson"]
    (row,) = score([one], names)
    assert list(row) == names
    real, predicted = one.change
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((real - predicted) ** 2)))
    assert row["pearson"] == pytest.approx(np.corrcoef(real, predicted)[0, 1])


def test_conditions_are_contrasted_within_their_context():
    shifts = 3.0 * np.eye(5)
    right = [make(shifts[i], "T") for i in range(3)] + [make(shifts[3], "B")]
    for name in CONTRASTS:
        values = [row[name] for row in score(right, [name])]
        # One condition of a context has none to be told from
        assert np.isfinite(values[:3]).all() and np.isnan(values[3])
        exchanged = [
            Prediction(real=a.real, predicted=b.predicted, start=a.start, reference=a.reference, context="T")
            for a, b in zip(right[:3], [right[1], right[2], right[0]], strict=True)
        ]
        assert np.mean([row[name] for row in score(exchanged, [name])]) < np.mean(values[:3])


def test_what_cannot_be_scored_is_missing():
    (row,) = score([make(n=1)], NAMES)
    for name, metric in METRICS.items():
        if metric.space != "means" or metric.needs_perturbed_mean:
            assert np.isnan(row[name]), name
    assert np.isfinite(row["rmse"])
    (row,) = score([make(n=1, perturbed_mean=np.zeros(5))], NAMES)
    assert all(np.isfinite(row[name]) for name, metric in METRICS.items() if metric.space == "means")
