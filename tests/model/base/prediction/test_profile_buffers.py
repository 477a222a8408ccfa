from __future__ import annotations

import numpy as np
import torch

from scpi.model.base.prediction._profile_buffers import ProfileBuffers
from scpi.model.base.prediction._profiles import Profiles

PROFILES = Profiles(
    control=np.arange(6.0).reshape(2, 3),
    treated=np.ones((1, 3)),
    context=np.array([1]),
    design=np.array([[2.0]]),
    n_cells=np.array([7]),
)


def test_arrays_of_any_size_and_order_are_saved_and_loaded():
    kept, other = ProfileBuffers(more=["components"]), ProfileBuffers(more=["components"])
    arrays = {
        "control": np.arange(6.0).reshape(2, 3),
        "treated": np.ones((1, 3)),
        "context": np.array([1]),
        "design": np.array([[2.0]]),
        "n_cells": np.array([7]),
        # Backwards, as components of a sparse matrix are
        "components": np.arange(12.0).reshape(4, 3)[::-1],
    }
    kept.put(arrays)
    other.load_state_dict(kept.state_dict())
    np.testing.assert_array_equal(other.array("components"), arrays["components"])
    profiles = other.profiles()
    np.testing.assert_array_equal(profiles.changes, [[1 - 3, 1 - 4, 1 - 5]])
    assert (profiles.control.dtype, profiles.n_cells.dtype) == (np.float64, np.int64)
    assert other.control.dtype == torch.float32
    np.testing.assert_array_equal(profiles.balanced_control(), [1.5, 2.5, 3.5])
    np.testing.assert_array_equal(profiles.balanced_control(np.array([True, False])), [0, 1, 2])


def test_what_is_made_of_profiles_is_made_once_until_they_change():
    calls = []

    def total(profiles):
        calls.append(profiles)
        return profiles.treated.sum()

    buffers = ProfileBuffers()
    buffers.put(PROFILES._asdict())
    assert buffers.once(total) == buffers.once(total) == PROFILES.treated.sum() and len(calls) == 1
    assert buffers.profiles() is buffers.profiles()
    twice = PROFILES._replace(treated=2 * PROFILES.treated)
    buffers.put(twice._asdict())
    assert buffers.once(total) == 2 * PROFILES.treated.sum()
    other = ProfileBuffers()
    other.put(PROFILES._asdict())
    assert other.once(total) == PROFILES.treated.sum()
    other.load_state_dict(buffers.state_dict())
    assert other.once(total) == 2 * PROFILES.treated.sum()
