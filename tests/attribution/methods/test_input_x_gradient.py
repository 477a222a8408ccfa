"""Derivatives times differences."""

from __future__ import annotations

import numpy as np
from captum.attr import InputXGradient

from scpi.attribution import attribute_cells


def test_it_is_that_of_captum(network, target, counts, log_counts):
    found = attribute_cells(target, counts, method="input_x_gradient").values
    for k in range(4):
        expected = InputXGradient(network).attribute(log_counts, k).detach()
        np.testing.assert_allclose(found[k], expected, atol=1e-5)


def test_the_difference_is_from_the_baseline(linear, counts):
    weight, target = linear
    x = counts.toarray()
    baseline = np.random.default_rng(1).random(30)
    found = attribute_cells(target, counts, "class_2", method="input_x_gradient", baseline=baseline).values
    np.testing.assert_allclose(found, (x - baseline) * weight[:, 2], rtol=1e-4, atol=1e-5)


def test_the_mean_and_the_rest_are_baselines(linear, counts, codes):
    weight, target = linear
    x = counts.toarray()
    for baseline, rows in (
        ("mean", [codes >= 0] * 4),
        ("rest", [(codes >= 0) & (codes != group) for group in range(4)]),
    ):
        found = attribute_cells(target, counts, codes=codes, method="input_x_gradient", baseline=baseline).values
        for group in range(4):
            expected = (x[codes == group] - x[rows[group]].mean(axis=0)) * weight[:, group]
            np.testing.assert_allclose(found[codes == group], expected, rtol=1e-4, atol=1e-5)


def test_each_group_can_have_a_baseline_of_its_own(linear, counts, codes):
    weight, target = linear
    x, baseline = counts.toarray(), np.random.default_rng(1).random((4, 30))
    found = attribute_cells(target, counts, codes=codes, method="input_x_gradient", baseline=baseline).values
    for group in range(4):
        expected = (x[codes == group] - baseline[group]) * weight[:, group]
        np.testing.assert_allclose(found[codes == group], expected, rtol=1e-4, atol=1e-5)
