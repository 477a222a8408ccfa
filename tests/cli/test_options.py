from __future__ import annotations

from scpi.cli._options import Accelerator, on_device


def test_a_device_is_an_argument_of_the_training_unless_it_is_chosen_automatically():
    assert on_device(Accelerator.auto) == {}
    assert on_device(Accelerator.cpu) == {"accelerator": "cpu"}
    assert on_device(Accelerator.gpu) == {"accelerator": "gpu"}
