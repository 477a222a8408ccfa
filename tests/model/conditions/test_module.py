from __future__ import annotations

import numpy as np
import torch

from scpi.model.conditions._module import ConditionsModule


def test_arrays_are_saved_with_the_weights():
    module, other = ConditionsModule(), ConditionsModule()
    module.put({name: np.arange(3) for name in module._kept})
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(other.array("values"), [0, 1, 2])
    assert module.device == torch.device("cpu")
    np.testing.assert_array_equal(module.inference(torch.ones(2))["z"], [1, 1])
