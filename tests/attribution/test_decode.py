from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.attribution import DecoderTarget
from scpi.attribution._decode import average_effects, check_latent

Z = np.array([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0], [7.0, 8.0]], dtype=np.float32)
GENES = torch.tensor([1.0, 10.0, -1.0])


@pytest.fixture
def target():
    return DecoderTarget(lambda z: z @ torch.ones(2, 3), ["u", "v"])


def effect(cells, place):
    """The unit itself, times a number of the gene."""
    return cells[:, [place]] * GENES


def run(target, codes, **settings):
    settings = {"units": None, "absolute": True, "write": None, "batch_size": None, "device": None} | settings
    return average_effects(target, Z, codes, effect, **settings)


@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_effects_are_averaged_over_the_cells_of_each_group(target, batch_size):
    found = run(target, [1, 1, 0, -1], batch_size=batch_size)
    np.testing.assert_array_equal(found.n_cells, [1, 2])
    mean = np.array([[5.0, 6.0], [2.0, -1.0]])
    np.testing.assert_allclose(found.mean, mean[:, :, None] * GENES.numpy())
    size = np.array([[5.0, 6.0], [2.0, 3.0]])
    np.testing.assert_allclose(found.mean_abs, size[:, :, None] * np.abs(GENES.numpy()))


def test_some_units_in_their_order_and_without_sizes(target):
    found = run(target, None, units=["v", 0], absolute=False)
    np.testing.assert_allclose(found.mean[0, :, 0], [3.0, 4.0])
    assert found.mean_abs is None


def test_cells_are_written_as_they_are_found(target):
    kept = {}

    def write(unit, rows, values):
        kept.update({(unit, int(row)): value for row, value in zip(rows, values, strict=True)})

    run(target, [0, -1, 1, 0], units=["v"], write=write, batch_size=2)
    assert sorted(kept) == [(0, 0), (0, 2), (0, 3)]
    np.testing.assert_array_equal(kept[0, 3], 8.0 * GENES)


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (np.ones((2, 3)), "cells x 2 units, but is of shape"),
        ([["a", "b"]], "must be numbers"),
        (np.ones((0, 2)), "no cells"),
        ([[1.0, np.nan]], "NaN or infinite"),
    ],
)
def test_what_are_no_latent_units_is_refused(target, z, message):
    with pytest.raises(ValueError, match=message):
        check_latent(z, target)
    assert check_latent([[1, 2]], target).dtype == np.float32
