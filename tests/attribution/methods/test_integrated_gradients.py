"""Derivatives on the way from a baseline."""

from __future__ import annotations

import numpy as np
import pytest
from captum.attr import IntegratedGradients

from scpi.attribution import AttributionTarget, attribute_cells

pytestmark = pytest.mark.smoke("captum", "torch")

SETTINGS = {"method": "integrated_gradients"}


@pytest.mark.parametrize("n_steps", [5, 32])
def test_it_is_that_of_captum(network, target, counts, log_counts, n_steps):
    found = attribute_cells(target, counts, **SETTINGS, n_steps=n_steps)
    mean = log_counts.mean(0, keepdim=True)
    for k in range(4):
        captum = IntegratedGradients(network)
        expected, delta = captum.attribute(
            log_counts, mean, k, n_steps=n_steps, method="gausslegendre", return_convergence_delta=True
        )
        np.testing.assert_allclose(found.values[k], expected.detach(), atol=1e-5)
        np.testing.assert_allclose(found.error[k], delta, atol=1e-4)


def test_the_sum_is_the_difference_of_the_output(network, target, counts, log_counts):
    found = attribute_cells(target, counts, "class_1", **SETTINGS, n_steps=300)
    values = network(log_counts)[:, 1] - network(log_counts.mean(0, keepdim=True))[:, 1]
    np.testing.assert_allclose(found.difference, values.detach(), atol=1e-4)
    np.testing.assert_allclose(found.values.sum(axis=1), values.detach(), atol=0.03)
    np.testing.assert_allclose(found.error, found.values.sum(axis=1) - found.difference, atol=1e-4)


def test_more_steps_leave_less_error(kinked_network, make_target, counts):
    target = make_target(kinked_network, projected=True)  # no polynomial
    errors = [np.abs(attribute_cells(target, counts, **SETTINGS, n_steps=n).error).mean() for n in (2, 8, 64)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_a_quadratic_function_is_exact_with_one_step():
    """Of x' A x the mean derivative on the line from b is A (x + b), with A symmetric."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(6, 6)).astype(np.float32)
    a, x, b = a + a.T, rng.normal(size=(9, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)

    def quadratic(u):
        return ((u @ u.new_tensor(a)) * u).sum(1, keepdim=True)

    target = AttributionTarget(quadratic, lambda u: u, ["q"], kind="logit")
    found = attribute_cells(target, x, "q", **SETTINGS, n_steps=1, baseline=b)
    np.testing.assert_allclose(found.values, (x - b) * ((x + b) @ a), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.error, 0.0, atol=1e-4)
