from __future__ import annotations

import numpy as np
import pytest

from scpi._scoring._metrics import METRICS, NAMES
from scpi._scoring._noise_ceiling import noise_ceiling
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score
from scpi.metrics import spearman_brown


def measure(rng, change, *, n=(40, 60), noise=1.0):
    """Measured and reference cells of a known change."""
    real = 5.0 + change + rng.normal(0, noise, (n[0], len(change)))
    reference = 5.0 + rng.normal(0, noise, (n[1], len(change)))
    return real.astype(np.float32), reference.astype(np.float32)


def test_a_perfect_prediction_scores_what_is_said(name="pearson"):
    """The true change, without noise of its own, against measured changes: the mean of its scores is the extrapolated one."""
    rng = np.random.default_rng(0)
    change = rng.normal(0, 0.25, 400)
    start = np.full((2, 400), 5.0, dtype=np.float32)
    found, said = [], []
    for _ in range(30):
        real, reference = measure(rng, change)
        one = Prediction(real=real, predicted=start + change, start=start, reference=reference)
        found.append(score([one], [name])[0][name])
        said.append(noise_ceiling([one], [name], n_splits=10, rng=rng)[1][0][name])
    assert np.mean(said) == pytest.approx(np.mean(found), abs=0.01)
    # And it is well below 1, and well above that of halves
    assert 0.7 < np.mean(found) < 0.85


def test_halves_are_scored_as_any_prediction_is():
    rng = np.random.default_rng(1)
    real, reference = measure(rng, np.linspace(-1, 1, 20))
    one = Prediction(
        real=real, predicted=real[:0], start=real[:0], reference=reference, perturbed_mean=np.full(20, 5.0)
    )
    (halves,), (perfect,) = noise_ceiling([one], NAMES, n_splits=3, rng=np.random.default_rng(2))
    generator, values = np.random.default_rng(2), []
    for _ in range(3):
        parts = [np.array_split(generator.permutation(len(cells)), 2) for cells in (real, reference)]
        made = Prediction(
            real=real[parts[0][0]],
            predicted=real[parts[0][1]],
            reference=reference[parts[1][0]],
            start=reference[parts[1][1]],
            perturbed_mean=np.full(20, 5.0),
        )
        values.append(score([made], NAMES)[0])
    for name in METRICS:
        own = [row[name] for row in values if np.isfinite(row[name])]
        assert halves[name] == pytest.approx(np.mean(own) if own else np.nan, nan_ok=True)
    for name in ("pearson", "cosine", "pearson_perturbed"):
        assert perfect[name] == pytest.approx(np.sqrt(spearman_brown(halves[name])))
    assert all(np.isnan(perfect[name]) for name in NAMES if name not in METRICS or not METRICS[name].is_correlation)


def test_too_few_cells_have_no_ceiling():
    real, reference = measure(np.random.default_rng(0), np.zeros(5))
    few = Prediction(real=real[:1], predicted=real[:0], start=real[:0], reference=reference)
    enough = Prediction(real=real, predicted=real[:0], start=real[:0], reference=reference)
    halves, perfect = noise_ceiling([few, enough], ["rmse", "pearson"], rng=np.random.default_rng(0))
    assert np.isnan([halves[0]["rmse"], perfect[0]["pearson"]]).all() and np.isfinite(halves[1]["rmse"])


def test_halves_of_noise_promise_nothing():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(10):
        real, reference = measure(rng, np.zeros(50))
        one = Prediction(real=real, predicted=real[:0], start=real[:0], reference=reference)
        found.append(noise_ceiling([one], ["cosine"], n_splits=1, rng=rng)[1][0]["cosine"])
    assert min(found) == 0.0


def test_splits_are_needed():
    with pytest.raises(ValueError, match="`n_splits` must be at least 1, but is 0"):
        noise_ceiling([], ["rmse"], n_splits=0, rng=np.random.default_rng(0))
