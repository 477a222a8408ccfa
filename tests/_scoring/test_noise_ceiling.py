from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._noise_ceiling import noise_ceiling
from scpi._scoring._prediction import Prediction

N_GENES = 2000


def measured(n, *, effect=0.15, seed=0):
    """Cells of a condition and of the control: normal, with a change of each gene."""
    rng = np.random.default_rng(seed)
    change = effect * rng.normal(size=N_GENES)
    real, reference = rng.normal(size=(2, n, N_GENES))
    return Prediction(real=real + change, predicted=reference[:0], start=reference[:0], reference=reference), change


def run(predictions, metrics=("pearson", "rmse"), **settings):
    return noise_ceiling(predictions, metrics, rng=np.random.default_rng(0), **settings)


def test_halves_and_a_perfect_prediction_have_the_correlations_of_the_formulas():
    one, change = measured(60)
    (halves,), (perfect,) = run([one])
    # Signal 0.15², noise of a change of half of the cells 2/30
    signal, noise = 0.15**2, 2 / 30
    assert halves["pearson"] == pytest.approx(signal / (signal + noise), abs=0.04)
    assert perfect["pearson"] == pytest.approx(np.sqrt(signal / (signal + noise / 2)), abs=0.04)
    # A perfect prediction is one of the expected change
    real = np.corrcoef(change, one.real.mean(axis=0) - one.reference.mean(axis=0))[0, 1]
    assert perfect["pearson"] == pytest.approx(real, abs=0.04)
    assert halves["rmse"] == pytest.approx(np.sqrt(2 * noise), rel=0.05)
    assert np.isnan(perfect["rmse"])


def test_without_a_change_nothing_can_be_predicted():
    one, _ = measured(40, effect=0.0)
    (halves,), (perfect,) = run([one])
    assert abs(halves["pearson"]) < 0.05
    assert perfect["pearson"] < 0.35
    negative = [measured(4, effect=0.0, seed=seed)[0] for seed in range(20)]
    for half, best in zip(*run(negative), strict=True):
        assert best["pearson"] == 0 if half["pearson"] < 0 else best["pearson"] > 0


def test_a_condition_that_cannot_be_halved_is_missing_and_the_others_stay():
    (first, second, third), perfect = run([measured(40)[0], measured(1)[0], measured(40)[0]])
    assert np.isnan(second["pearson"]) and np.isnan(perfect[1]["pearson"])
    assert np.isfinite([first["pearson"], third["pearson"]]).all()
    with pytest.raises(ValueError, match="`n_splits` must be at least 1"):
        run([], n_splits=0)
