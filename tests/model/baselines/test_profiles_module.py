from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.model.base.prediction._profiles import Profiles
from scpi.model.baselines._profiles_module import ProfilesModule


@pytest.fixture
def profiles():
    return Profiles(
        control=np.array([[1.0, 2.0], [np.nan, np.nan]]),
        treated=np.array([[3.0, 0.5], [4.0, 1.0], [5.0, 6.0]]),
        context=np.array([0, 0, 1]),
        design=np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0]]),
        n_cells=np.array([4, 5, 6]),
    )


def test_profiles_and_what_else_is_learned_survive_saving(profiles):
    module = ProfilesModule(more=["components"])
    # A view with negative strides, as scikit-learn returns some
    components = np.arange(6.0).reshape(2, 3)[::-1]
    module.put(profiles._asdict() | {"components": components})
    loaded = ProfilesModule(more=["components"])
    loaded.load_state_dict(module.state_dict())
    for name, kept in loaded.profiles()._asdict().items():
        np.testing.assert_array_equal(kept, getattr(profiles, name), err_msg=name)
        assert kept.dtype == getattr(profiles, name).dtype
    np.testing.assert_array_equal(loaded.array("components"), components)
    # Of the first context the change is against its own controls, of the second against those of the first
    np.testing.assert_array_equal(loaded.profiles().changes, [[2.0, -1.5], [3.0, -1.0], [4.0, 4.0]])


def test_without_parameters_it_is_where_its_profiles_are(profiles):
    module = ProfilesModule()
    module.put(profiles._asdict())
    assert not list(module.parameters())
    assert module.device == torch.device("cpu")
    assert module.to("meta").device == torch.device("meta")


def test_cells_are_their_own_latent_units():
    x = torch.rand(3, 2)
    assert torch.equal(ProfilesModule().inference(x)["z"], x)
