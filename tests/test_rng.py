from __future__ import annotations

import numpy as np
import pytest

from scpi._rng import as_generator


@pytest.mark.parametrize("seed", [7, np.int32(7)])
def test_a_seed_gives_the_generator_of_numpy(seed):
    np.testing.assert_array_equal(as_generator(seed).random(5), np.random.default_rng(7).random(5))


def test_a_generator_is_used_as_it_is():
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator


def test_none_is_fresh():
    assert as_generator(None).random() != as_generator(None).random()


@pytest.mark.parametrize("value", ["0", 1.0, True, np.random.RandomState(0)], ids=lambda value: type(value).__name__)
def test_anything_else_is_refused(value):
    with pytest.raises(TypeError, match=f"not {type(value).__name__}"):
        as_generator(value)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        as_generator(-1)
