from __future__ import annotations

import numpy as np

from scpi.tl._impact._unit_names import distinctions, unit_names

GENES = np.array(["a", "b", "c", "d"])
NONE = np.zeros(3, dtype=bool)
SALIENCY = np.array([[4.0, 8.0, 0.0], [-3.0, 0.0, 1.0], [0.0, 6.0, 0.0], [0.0, 0.0, -5.0]])


def test_genes_in_which_a_unit_is_ahead_whatever_its_scale_and_sign():
    # In units of their norms, the first has .8 and -.6, the second .8 and .6 of another gene
    assert distinctions(["s", "s", "t"], [""] * 3, SALIENCY, GENES, NONE) == ["b", "c", ""]
    assert distinctions(["s", "s", ""], [""] * 3, SALIENCY, GENES, NONE) == ["b", "c", "d, b"]


def test_a_label_tells_a_unit_apart_if_no_other_follows_it():
    assert distinctions(["s", "s", "t"], ["x: 1", "x: 2", "x: 1"], SALIENCY, GENES, NONE) == ["x: 1", "x: 2", ""]
    assert distinctions(["s", "s", "t"], ["x: 1", "x: 1", ""], SALIENCY, GENES, NONE) == ["b", "c", ""]
    assert distinctions(["s", "s", "t"], ["x: 1", "", ""], SALIENCY, GENES, NONE) == ["x: 1", "c", ""]


def test_a_unit_can_be_described_though_no_other_has_its_set():
    described = np.array([True, False, False])
    assert distinctions(["s", "t", "u"], [""] * 3, SALIENCY, GENES, described) == ["a, b", "", ""]
    assert distinctions(["s", "t", "u"], ["x: 1", "x: 1", ""], SALIENCY, GENES, described) == ["x: 1", "", ""]


def test_names_differ():
    assert unit_names(["u0", "u1", "u2"], ["s", "s", ""], ["b", "b", ""]) == ["s (b) [u0]", "s (b) [u1]", "no set"]
    assert unit_names(["u0"], [""], ["d, b"]) == ["no set (d, b)"]
    assert distinctions(["s", "s"], ["", ""], None, GENES, NONE) == ["", ""]
