"""Attributions of single cells."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.attribution import attribute_cells


def test_one_output_has_a_matrix_and_several_have_more(linear, counts):
    weight, target = linear
    assert attribute_cells(target, counts).values.shape == (4, 60, 30)
    several = attribute_cells(target, counts, ["class_3", "class_1"])
    np.testing.assert_allclose(several.values[:, 7], weight.T[[3, 1]], rtol=1e-6)
    for output in ("class_2", 2, np.int64(2)):
        one = attribute_cells(target, counts, output)
        np.testing.assert_allclose(one.values, np.tile(weight[:, 2], (60, 1)), rtol=1e-6)
        assert one.values.dtype == np.float32
        assert one.error is None
        assert one.difference is None


def test_errors_have_the_shape_of_the_outputs(linear, counts):
    settings = {"method": "integrated_gradients", "n_steps": 2}
    assert attribute_cells(linear[1], counts, **settings).error.shape == (4, 60)
    assert attribute_cells(linear[1], counts, "class_0", **settings).error.shape == (60,)
    codes = np.r_[-1, np.zeros(59, dtype=int)]
    found = attribute_cells(linear[1], counts, codes=codes, **settings)
    assert np.isnan(found.error).tolist() == [True] + [False] * 59


def test_every_cell_has_the_output_of_its_group(linear, counts, codes):
    weight, target = linear
    found = attribute_cells(target, counts, codes=codes).values
    np.testing.assert_allclose(found[codes >= 0], weight.T[codes[codes >= 0]], rtol=1e-6)
    assert np.isnan(found[codes < 0]).all()
    found = attribute_cells(target, counts, [3, 2, 1, 0], codes=codes).values
    np.testing.assert_allclose(found[codes >= 0], weight.T[3 - codes[codes >= 0]], rtol=1e-6)


def test_fewer_outputs_than_groups_are_an_error(linear, counts, codes):
    with pytest.raises(ValueError, match="4 groups, but there is an output for 1"):
        attribute_cells(linear[1], counts, ["class_0"], codes=codes)
    with pytest.raises(ValueError, match="no output 'x'"):
        attribute_cells(linear[1], counts, "x")
