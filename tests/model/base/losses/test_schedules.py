from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.losses._schedules import anneal_end, half_cosine, ramp
from scpi.model.senavae._presets import PRESETS


def published(n_epochs, start, low, high):
    """`low` for `start` epochs, evenly spaced from `low` to `high` until half of the epochs, `high` after."""
    weights = np.full(n_epochs, float(high))
    weights[:start] = low
    half = n_epochs // 2
    weights[start:half] = np.linspace(low, high, half - start)
    return weights


@pytest.mark.parametrize(
    ("preset", "weights"),
    [("sena", {"mmd": 1.0, "kl": 1.0, "temperature": 100.0}), ("zhang", {"mmd": 10.0, "kl": 2.0, "temperature": 5.0})],
)
@pytest.mark.parametrize("n_epochs", [100, 60, 31])
def test_published_schedules(preset, weights, n_epochs):
    starts = {"mmd": 5, "kl": 10, "temperature": 5}
    chosen = PRESETS[preset]
    for name, high in weights.items():
        assert getattr(chosen, f"max_{name}") == high
        assert getattr(chosen, f"{name}_start") == starts[name]
        low = 1.0 if name == "temperature" else 0.0
        found = [
            ramp(epoch, n_epochs=n_epochs, start_epoch=starts[name], low=low, high=high) for epoch in range(n_epochs)
        ]
        np.testing.assert_allclose(found, published(n_epochs, starts[name], low, high), rtol=1e-12)


def test_values_of_the_discrepancy_weight_over_100_epochs():
    found = [ramp(epoch, n_epochs=100, start_epoch=5, low=0.0, high=1.0) for epoch in (0, 4, 5, 6, 27, 49, 50, 99)]
    np.testing.assert_allclose(found, [0, 0, 0, 1 / 44, 0.5, 1, 1, 1], rtol=1e-12)


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 10, 11, 12])
def test_short_trainings_are_bounded_and_never_fall(n_epochs):
    weights = [ramp(epoch, n_epochs=n_epochs, start_epoch=5, low=0.0, high=2.0) for epoch in range(n_epochs)]
    assert (np.diff(weights) >= 0).all()
    assert min(weights) >= 0 and max(weights) <= 2


@pytest.mark.parametrize("n_epochs", [1, 2, 7, 12, 25, 100])
def test_no_weight_changes_after_the_anneal(n_epochs):
    starts = (5, 10, 0)
    end = anneal_end(n_epochs=n_epochs, start_epochs=starts)
    assert 0 <= end < n_epochs
    for start in starts:
        weights = [ramp(epoch, n_epochs=n_epochs, start_epoch=start, low=0.0, high=1.0) for epoch in range(n_epochs)]
        assert len(set(weights[end:])) == 1


def test_half_a_cosine():
    assert [half_cosine(done, final=0.2) for done in (0.0, 0.5, 1.0, 3.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
