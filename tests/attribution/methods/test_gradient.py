"""Derivatives."""

from __future__ import annotations

import numpy as np
from captum.attr import Saliency

from scpi.attribution import attribute_cells


def test_it_is_that_of_captum(network, target, counts, log_counts):
    found = attribute_cells(target, counts).values
    for k in range(4):
        np.testing.assert_allclose(found[k], Saliency(network).attribute(log_counts, k, abs=False), atol=1e-5)


def test_a_network_in_evaluation_takes_each_cell_by_itself(target, counts):
    together = attribute_cells(target, counts, "class_1").values
    alone = np.concatenate([attribute_cells(target, counts[[i]], "class_1").values for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-6)
