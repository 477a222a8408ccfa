from __future__ import annotations

import numpy as np
import pytest

from scpi.benchmark._challenge._side import read_side

OPTIONS = {"perturbation_key": "perturbation", "control": "control", "layer": None, "names": None}


def test_the_control_comes_first_and_sums_are_those_of_the_cells(measured):
    side = read_side(measured, "measured", **OPTIONS)
    assert side.names == ["control", "drug", "g1", "g2", "g3", "g4", "g5", "g6", "none"]
    dense = measured.X.toarray()
    for code, name in enumerate(side.names):
        own = dense[measured.obs["perturbation"] == name]
        np.testing.assert_array_equal(side.sums[code], own.sum(0))
        np.testing.assert_array_equal(side.cells(code).toarray(), own)
    assert side.counts.dtype == np.float64


def test_other_labels_are_left_out(measured):
    side = read_side(measured, "predicted", **OPTIONS | {"names": ["g2", "drug"]})
    assert side.names == ["control", "g2", "drug"] and side.counts.shape[0] == 60 + 25 + 30
    missing = read_side(measured, "predicted", **OPTIONS | {"names": ["g2"], "control": "nobody"})
    assert np.bincount(missing.codes, minlength=2).tolist() == [0, 25]


def test_mistakes(measured):
    with pytest.raises(KeyError, match=r"`measured.obs` has no column 'x', only 'perturbation'"):
        read_side(measured, "measured", **OPTIONS | {"perturbation_key": "x"})
    with pytest.raises(ValueError, match=r"`predicted` lacks 1 of the 2 perturbations that are compared: 'g99'"):
        read_side(measured, "predicted", **OPTIONS | {"names": ["g1", "g99"]})
    logs = measured.copy()
    logs.X = logs.X.log1p()
    with pytest.raises(ValueError, match=r"`predicted: adata.X` must be counts.*log-normalised"):
        read_side(logs, "predicted", **OPTIONS)
    twice = measured.copy()
    twice.var_names = ["g0", *measured.var_names[:-1]]
    with pytest.raises(ValueError, match="`measured.var_names` are not unique"):
        read_side(twice, "measured", **OPTIONS)
