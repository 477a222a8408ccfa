from __future__ import annotations

import numpy as np
import pytest

from scpi.metrics import pearson_delta, r2, rmse, score_change, sign_accuracy


def test_every_metric_is_the_one_of_its_name():
    rng = np.random.default_rng(0)
    real, predicted = rng.normal(size=(2, 4, 50))
    scores = score_change(real, predicted, k=5)
    assert list(scores) == ["pearson", "pearson_top", "rmse", "r2", "sign_accuracy"]
    for name, metric in {"pearson": pearson_delta, "rmse": rmse, "r2": r2, "sign_accuracy": sign_accuracy}.items():
        np.testing.assert_array_equal(scores[name], metric(real, predicted))
    for row, value in enumerate(scores["pearson_top"]):
        top = np.argsort(np.abs(real[row]))[-5:]
        assert value == pytest.approx(np.corrcoef(real[row, top], predicted[row, top])[0, 1])


def test_a_vector_gives_numbers():
    scores = score_change([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert all(isinstance(value, float) for value in scores.values())
    assert scores["pearson_top"] == pytest.approx(1.0)


def test_bad_input_is_explained():
    with pytest.raises(ValueError, match="Unknown metrics 'mae'"):
        score_change([0.0, 1.0], [0.0, 1.0], metrics=["mae"])
    with pytest.raises(ValueError, match="at least 2"):
        score_change([0.0, 1.0], [0.0, 1.0], k=1)
    with pytest.raises(ValueError, match="same genes"):
        score_change([0.0, 1.0], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="NaN"):
        score_change([0.0, 1.0], [0.0, np.nan])
