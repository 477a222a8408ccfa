from __future__ import annotations

import numpy as np
import pytest

from scpi import de
from scpi._scoring._bounds import NEGATIVE, POSITIVE, UNCHANGED, Others, metric_bounds
from scpi._scoring._noise_ceiling import halved
from scpi._scoring._prediction import Prediction
from scpi._scoring._score import score

METRICS = ["rmse", "pearson", "pearson_perturbed", "discrimination", "energy_distance", "de_jaccard"]
N_GENES = 12


def condition(rng, change):
    real = 5.0 + change + rng.normal(0, 0.5, (40, N_GENES))
    reference = 5.0 + rng.normal(0, 0.5, (60, N_GENES))
    return Prediction(
        real=real.astype(np.float32),
        predicted=real[:0],
        start=real[:0],
        reference=reference.astype(np.float32),
        perturbed_mean=np.full(N_GENES, 5.2),
    )


@pytest.fixture
def measured():
    """Two conditions that change the first and the last three genes, and what is known of the others."""
    rng = np.random.default_rng(0)
    changes = np.zeros((2, N_GENES))
    changes[0, :3] = changes[1, -3:] = 1.5
    pool = (5.2 + rng.normal(0, 0.5, (50, N_GENES))).astype(np.float32)
    others = Others(lambda: pool, np.full(N_GENES, 0.2), np.linspace(0.1, 0.3, N_GENES))
    return [(condition(rng, change), others) for change in changes]


def test_each_bound_is_scored_as_the_prediction_that_it_is(measured):
    found = metric_bounds(measured, METRICS, rng=np.random.default_rng(1))
    generator = np.random.default_rng(1)
    for place, (one, others) in enumerate(measured):
        half = halved(one, generator)
        real = half.real.mean(0) - half.reference.mean(0)
        start = half.start.mean(0)
        (of_half,) = score([half], METRICS)
        for name in ("energy_distance", "de_jaccard"):
            assert found[POSITIVE][place][name] == of_half[name]
        pval = de.wilcoxon(np.concatenate([others.cells(), half.predicted]), [0] * 50 + [1] * 20, reference=0).pval[1]
        weight = 1 - de.false_discovery_control(pval)
        blend = weight * half.predicted.mean(0) + (1 - weight) * (start + 0.2) - start
        assert found[POSITIVE][place]["rmse"] == pytest.approx(np.sqrt(np.mean((real - blend) ** 2)), rel=1e-5)
        assert found[POSITIVE][place]["pearson"] == pytest.approx(np.corrcoef(real, blend)[0, 1], rel=1e-5)
        # All other conditions, and where metrics look at what differs from these, no change
        assert found[NEGATIVE][place]["rmse"] == pytest.approx(np.sqrt(np.mean((real - 0.2) ** 2)), rel=1e-5)
        centred = np.corrcoef(half.real.mean(0) - 5.2, start - 5.2)[0, 1]
        assert found[NEGATIVE][place]["pearson_perturbed"] == pytest.approx(centred, rel=1e-4)
        assert found[UNCHANGED][place]["pearson_perturbed"] == found[NEGATIVE][place]["pearson_perturbed"]
        assert found[UNCHANGED][place]["rmse"] == pytest.approx(np.sqrt(np.mean(real**2)), rel=1e-5)
        assert found[UNCHANGED][place]["pearson"] == 0
    # What is the same for all conditions tells none from the other
    assert np.mean([row["discrimination"] for row in found[NEGATIVE]]) == 0.5
    assert [row["discrimination"] for row in found[POSITIVE]] == [1.0, 1.0]


def test_genes_that_do_not_differ_are_taken_from_the_others(measured):
    """The others are right about nine genes of twelve, and measured in more cells."""
    pool = (5.0 + np.random.default_rng(2).normal(0, 0.5, (400, N_GENES))).astype(np.float32)
    others = Others(lambda: pool, np.zeros(N_GENES), np.zeros(N_GENES))
    rng, generator = np.random.default_rng(1), np.random.default_rng(1)
    for one, _ in measured:
        found = metric_bounds([(one, others)], ["rmse"], rng=rng)
        (half,) = score([halved(one, generator)], ["rmse"])
        assert found[POSITIVE][0]["rmse"] < 0.95 * half["rmse"] < 0.5 * found[NEGATIVE][0]["rmse"]


def test_nothing_is_known_without_others_or_halves(measured):
    one, _ = measured[0]
    found = metric_bounds([(one, None), measured[1]], METRICS, rng=np.random.default_rng(1))
    first, second = found[NEGATIVE]
    assert [name for name in METRICS if np.isfinite(first[name])] == ["pearson_perturbed"]
    assert np.isfinite(second["rmse"]) and np.isnan(found[POSITIVE][0]["rmse"])
    assert found[POSITIVE][0]["energy_distance"] > 0
    single = Prediction(real=one.real[:1], predicted=one.real[:0], start=one.real[:0], reference=one.reference)
    found = metric_bounds([(single, measured[0][1])], METRICS, rng=np.random.default_rng(1))
    assert all(np.isnan(value) for rows in found.values() for value in rows[0].values())
