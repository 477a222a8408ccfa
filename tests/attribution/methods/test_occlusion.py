"""Outputs without a gene."""

from __future__ import annotations

import numpy as np
import pytest
from captum.attr import FeatureAblation

from scpi.attribution import attribute_cells

SETTINGS = {"method": "occlusion"}


@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_it_is_that_of_captum(network, target, counts, log_counts, baseline):
    found = attribute_cells(target, counts, **SETTINGS, baseline=baseline).values
    start = log_counts.mean(0, keepdim=True) if baseline == "mean" else 0.0
    for k in range(4):
        expected = FeatureAblation(network).attribute(log_counts, start, k).detach()
        np.testing.assert_allclose(found[k], expected, atol=1e-5)


def test_a_gene_without_counts_is_missed_by_nothing(target, counts):
    found = attribute_cells(target, counts, "class_0", **SETTINGS).values
    np.testing.assert_array_equal(found[counts.toarray() == 0], 0.0)


def test_sets_are_occluded_together(network, target, counts, log_counts):
    sets = np.zeros((3, 30), dtype=bool)
    sets[0, :10], sets[1, 10:], sets[2, 4] = True, True, True
    found = attribute_cells(target, counts, "class_1", **SETTINGS, sets=sets).values
    assert found.shape == (60, 3)
    values = network(log_counts)[:, 1]
    for j, members in enumerate(sets):
        without = log_counts.clone()
        without[:, members] = 0.0
        np.testing.assert_allclose(found[:, j], (values - network(without)[:, 1]).detach(), atol=1e-5)
    single = attribute_cells(target, counts, "class_1", **SETTINGS).values
    np.testing.assert_allclose(found[:, 2], single[:, 4], atol=1e-5)


@pytest.mark.parametrize("sets", [np.ones(30), np.ones((2, 7)), np.full((2, 30), 0.5)])
def test_sets_are_zeros_and_ones(target, counts, sets):
    with pytest.raises(ValueError, match="`sets` must be zeros and ones, sets x 30 genes"):
        attribute_cells(target, counts, **SETTINGS, sets=sets)
