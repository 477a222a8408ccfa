"""Integrated gradients from cells."""

from __future__ import annotations

import numpy as np
import pytest
from captum.attr import IntegratedGradients

from scpi.attribution import AttributionTarget, attribute_cells

SETTINGS = {"method": "expected_gradients"}


def test_one_baseline_gives_integrated_gradients(smooth_network, make_target, counts, log_counts):
    target = make_target(smooth_network, projected=True)
    baseline = log_counts[:1]
    found = attribute_cells(target, counts, "class_1", **SETTINGS, baseline=baseline.numpy(), n_samples=400)
    expected = IntegratedGradients(smooth_network).attribute(log_counts, baseline, 1, n_steps=200).detach()
    np.testing.assert_allclose(found.values, expected, atol=0.01 * float(expected.abs().max()))


def test_a_linear_function_is_compared_with_the_mean_of_the_drawn_cells(linear):
    weight, target = linear
    rng = np.random.default_rng(0)
    x, pool = rng.normal(size=(400, 30)), rng.normal(size=(5, 30))
    found = attribute_cells(target, x, "class_1", **SETTINGS, baseline=pool, n_samples=64).values
    drawn = (x.astype(np.float32) - found / weight[:, 1]).mean(axis=0)
    np.testing.assert_allclose(drawn, pool.mean(axis=0), atol=0.05)
    # Each cell draws its own
    assert np.std((x - found / weight[:, 1])[:, 0]) > 0.01


def test_the_sum_is_the_difference_from_the_mean_output(smooth_network, make_target, counts, log_counts):
    target = make_target(smooth_network, projected=False)
    few = attribute_cells(target, counts, "class_1", **SETTINGS, n_samples=8)
    many = attribute_cells(target, counts, "class_1", **SETTINGS, n_samples=800)
    values = smooth_network(log_counts)[:, 1].detach().numpy()
    np.testing.assert_allclose(many.difference, values - values.mean(), atol=1e-4)
    assert np.abs(many.error).mean() < np.abs(few.error).mean() / 5
    assert np.abs(many.error).mean() < 0.1 * np.abs(many.difference).mean()


def test_cells_are_drawn_from_the_rest(linear):
    """A group in which a gene is one, and another in which it is zero."""
    x = np.zeros((60, 30))
    x[:30, 0] = 1.0
    codes = np.repeat([0, 1], 30)
    weight, target = linear
    rest = attribute_cells(target, x, codes=codes, **SETTINGS, baseline="rest").values[:, 0]
    np.testing.assert_allclose(rest, np.where(codes == 0, weight[0, 0], -weight[0, 1]), rtol=1e-5)
    everything = attribute_cells(target, x, codes=codes, **SETTINGS).values[:, 0]
    np.testing.assert_allclose(everything[:30].mean(), weight[0, 0] / 2, rtol=0.1)


def test_many_cells_are_a_pool_to_draw_from():
    target = AttributionTarget(lambda x: x, lambda x: x, ["a"], kind="logit")
    x = np.arange(1000.0)[:, None]
    found = attribute_cells(target, x, "a", **SETTINGS, n_samples=100).values[:, 0]
    assert abs((x[:, 0] - found).mean() - 499.5) < 60


def test_the_mean_is_no_cell(linear, counts):
    with pytest.raises(ValueError, match="'zero', 'rest', 'cells', but is 'mean'"):
        attribute_cells(linear[1], counts, **SETTINGS, baseline="mean")
