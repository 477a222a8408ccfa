"""Means of the attributions of all outputs, in one pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Saliency

from scpi.attribution import AttributionTarget, attribute_cells, attribute_units, methods

FEW = {"expected_gradients": {"n_samples": 3}, "smoothgrad": {"n_samples": 3}, "integrated_gradients": {"n_steps": 4}}


@pytest.mark.parametrize("method", methods()["method"])
def test_means_are_those_of_the_cells(target, counts, codes, method):
    options = FEW.get(method, {})
    found = attribute_units(target, counts, codes, method=method, absolute=True, **options)
    kept = codes >= 0
    cells = attribute_cells(target, counts[kept], method=method, **options)
    values = cells.values
    of_kept = codes[kept]
    for group in range(codes.max() + 1):
        of_group = values[:, of_kept == group].astype(float)
        np.testing.assert_allclose(found.mean[group], of_group.mean(1), atol=1e-5)
        np.testing.assert_allclose(found.mean_abs[group], np.abs(of_group).mean(1), atol=1e-5)
    assert found.n_cells.tolist() == np.bincount(of_kept).tolist()
    quick = attribute_units(target, counts, codes, method=method, **options)
    np.testing.assert_allclose(quick.mean, found.mean, atol=1e-5)
    assert quick.mean_abs is None
    if cells.error is None:
        assert found.error is None
    else:
        np.testing.assert_allclose(found.error, np.abs(cells.error).mean(1), atol=1e-5)
        np.testing.assert_allclose(found.difference, np.abs(cells.difference).mean(1), rtol=1e-4)


def test_it_is_that_of_captum_looped_over_units(network, target, counts, log_counts):
    found = attribute_units(target, counts).mean[0]
    for k in range(4):
        expected = Saliency(network).attribute(log_counts.clone().requires_grad_(True), target=k, abs=False)
        np.testing.assert_allclose(found[k], expected.mean(0), atol=1e-5)


def test_integrated_gradients_of_units_are_complete_and_those_of_captum(
    smooth_network, smooth_target, counts, log_counts
):
    found = attribute_units(smooth_target, counts, method="integrated_gradients", n_steps=32)
    assert (found.error / found.difference).max() < 0.01
    mean = log_counts.mean(0, keepdim=True)
    for k in range(4):
        expected = IntegratedGradients(smooth_network).attribute(
            log_counts, mean, k, n_steps=32, method="gausslegendre"
        )
        np.testing.assert_allclose(found.mean[0, k], expected.mean(0).detach(), atol=1e-5)


def test_batches_change_nothing(target, counts, codes):
    whole = attribute_units(target, counts, codes, method="input_x_gradient", absolute=True)
    parts = attribute_units(target, counts, codes, method="input_x_gradient", absolute=True, batch_size=7)
    np.testing.assert_allclose(parts.mean, whole.mean, atol=1e-6)
    np.testing.assert_allclose(parts.mean_abs, whole.mean_abs, atol=1e-6)


@pytest.mark.parametrize("method", ["gradient", "input_x_gradient"])
def test_what_is_written_is_what_the_cells_have(target, counts, codes, method):
    written = np.full((2, counts.shape[0], counts.shape[1]), np.nan)

    def write(output, rows, values):
        written[output, rows] = values

    attribute_units(target, counts, codes, outputs=["class_2", "class_0"], method=method, write=write, batch_size=11)
    kept = codes >= 0
    expected = attribute_cells(target, counts[kept], ["class_2", "class_0"], method=method).values
    np.testing.assert_allclose(written[:, kept], expected, atol=1e-6)
    assert np.isnan(written[:, ~kept]).all()


def test_a_group_without_cells_has_no_mean(linear, counts):
    weight, target = linear
    codes = np.where(np.arange(60) % 2, 0, 2)
    found = attribute_units(target, counts, codes)
    np.testing.assert_allclose(found.mean[[0, 2]], np.stack([weight.T, weight.T]), rtol=1e-5, atol=1e-5)
    assert np.isnan(found.mean[1]).all()


def test_nothing_but_sums_is_kept(monkeypatch):
    """Batches have a limit in numbers that does not depend on how many cells there are."""
    weight = torch.randn(50, 8)
    target = AttributionTarget(lambda x: x @ weight, torch.log1p, list("abcdefgh"), kind="latent")
    sizes = []
    monkeypatch.setattr("scpi.attribution._attribute_units._NUMBERS", 50 * 8 * 16)
    attribute_units(target, np.ones((100, 50)), write=lambda j, rows, values: sizes.append(len(rows)))
    assert max(sizes) == 16
    assert sum(sizes) == 100 * 8


def test_there_is_no_rest_of_all_cells(target, counts, codes):
    with pytest.raises(ValueError, match="there is no rest"):
        attribute_units(target, counts, codes, method="deeplift", baseline="rest")


def test_unknown_outputs_are_named(target, counts):
    with pytest.raises(ValueError, match="no output 'class_9'"):
        attribute_units(target, counts, outputs=["class_9"])
