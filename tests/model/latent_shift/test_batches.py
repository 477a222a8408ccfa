from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scpi.model.latent_shift._batches import batch_shifts


def test_shifts_by_hand():
    z = np.array([[0.0], [2.0], [10.0], [5.0], [7.0], [1.0]])
    kind = np.array([0, 0, 0, 1, 1, 2])
    batch = np.array([0, 0, 1, 1, 0, 1])
    # Batch 0 and 1 have three cells each: the first is the reference; kind 2 has batch 1 alone.
    np.testing.assert_allclose(batch_shifts(z, kind, batch).ravel(), [0, 0, -9, 2, 0, 0])
    np.testing.assert_allclose(batch_shifts(z, kind, batch, reference=1).ravel(), [9, 9, 0, 0, -2, 0])


def test_a_kind_without_the_reference_goes_to_its_largest_batch():
    z = np.array([[0.0], [1.0], [3.0], [9.0], [9.0], [9.0], [9.0]])
    shifts = batch_shifts(z, np.array([0, 0, 0, 1, 1, 1, 1]), np.array([2, 1, 1, 0, 0, 0, 0]))
    np.testing.assert_allclose(shifts.ravel(), [2, 0, 0, 0, 0, 0, 0])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n_batches=st.integers(1, 4), n_kinds=st.integers(1, 3))
def test_all_batches_of_a_kind_end_at_one_mean_and_keep_their_shape(seed, n_batches, n_kinds):
    rng = np.random.default_rng(seed)
    z, kind, batch = rng.normal(size=(40, 3)), rng.integers(n_kinds, size=40), rng.integers(n_batches, size=40)
    shifts = batch_shifts(z, kind, batch)
    moved = z + shifts
    for one in np.unique(kind):
        means = [moved[(kind == one) & (batch == b)].mean(0) for b in np.unique(batch[kind == one])]
        np.testing.assert_allclose(means, np.tile(means[0], (len(means), 1)), atol=1e-12)
        for b in np.unique(batch[kind == one]):
            assert np.ptp(shifts[(kind == one) & (batch == b)], axis=0) == pytest.approx(0)
    np.testing.assert_allclose(batch_shifts(moved, kind, batch), 0, atol=1e-12)
