"""Attributions averaged over groups of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import Saliency

from scpi.attribution import AttributionTarget, attribute_cells, attribute_groups, methods

ALL = list(methods()["method"])


def test_the_gradient_of_a_linear_function_is_its_weight(linear, counts, codes):
    weight, target = linear
    found = attribute_groups(target, counts, codes)
    np.testing.assert_allclose(found.mean, weight.T, rtol=1e-6)
    np.testing.assert_allclose(found.mean_abs, np.abs(weight.T), rtol=1e-6)
    np.testing.assert_allclose(found.std, 0.0, atol=5e-6)
    assert found.n_cells.tolist() == [12, 12, 12, 12]
    assert found.error is None


def test_groups_are_averaged_as_captum_gives_their_cells(network, target, counts, log_counts, codes):
    found = attribute_groups(target, counts, codes, batch_size=5)
    captum = Saliency(network)
    for group in range(4):
        cells = captum.attribute(log_counts[codes == group], target=group, abs=False).numpy()
        np.testing.assert_allclose(found.mean[group], cells.mean(axis=0), atol=5e-6)
        np.testing.assert_allclose(found.mean_abs[group], np.abs(cells).mean(axis=0), atol=5e-6)
        np.testing.assert_allclose(found.std[group], cells.std(axis=0, ddof=1), atol=5e-6)


@pytest.mark.parametrize("method", ALL)
def test_groups_are_the_means_of_their_cells(method, smooth_target, counts, codes):
    order = np.argsort(codes, kind="stable")  # random numbers are drawn group by group
    counts, codes = counts[order], codes[order]
    of_groups = attribute_groups(smooth_target, counts, codes, method=method, rng=3)
    cells = attribute_cells(smooth_target, counts, codes=codes, method=method, rng=3)
    for group in range(4):
        values = cells.values[codes == group]
        np.testing.assert_allclose(of_groups.mean[group], values.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(of_groups.mean_abs[group], np.abs(values).mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(of_groups.std[group], values.std(axis=0, ddof=1), atol=1e-5)
        if cells.error is not None:
            np.testing.assert_allclose(of_groups.error[group], np.abs(cells.error[codes == group]).mean(), atol=5e-6)
    assert (of_groups.error is None) is (cells.error is None)
    assert np.isnan(cells.values[codes < 0]).all()


@pytest.mark.parametrize("method", ALL)
def test_neither_batches_nor_the_form_of_the_matrix_matter(method, smooth_target, counts, codes):
    expected = attribute_groups(smooth_target, counts, codes, method=method)
    for form, size in ((counts.tocsc(), 7), (counts.toarray().astype(np.int64), 100)):
        found = attribute_groups(smooth_target, form, codes, method=method, batch_size=size)
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-5)
        np.testing.assert_allclose(found.std, expected.std, atol=1e-5)


def test_all_outputs_are_those_of_one_at_a_time(smooth_target, counts, codes):
    found = attribute_groups(smooth_target, counts, codes, outputs="all")
    assert found.mean.shape == (4, 4, 30)
    for k, name in enumerate(smooth_target.names):
        one = attribute_groups(smooth_target, counts, codes, outputs=[name] * 4)
        np.testing.assert_allclose(found.mean[:, k], one.mean, atol=5e-6)
        np.testing.assert_allclose(found.std[:, k], one.std, atol=5e-6)


def test_outputs_go_by_name_or_place(linear, counts):
    weight, target = linear
    codes = np.arange(60) % 2
    np.testing.assert_allclose(attribute_groups(target, counts, codes).mean, weight.T[:2], rtol=1e-6)
    found = attribute_groups(target, counts, codes, outputs=["class_3", 1])
    np.testing.assert_allclose(found.mean, weight.T[[3, 1]], rtol=1e-6)


@pytest.mark.parametrize("outputs", [None, "all"])
def test_means_alone_are_the_same_means(smooth_target, counts, codes, outputs):
    found = attribute_groups(smooth_target, counts, codes, outputs=outputs, spread=False)
    expected = attribute_groups(smooth_target, counts, codes, outputs=outputs)
    np.testing.assert_allclose(found.mean, expected.mean, atol=5e-6)
    assert found.mean_abs is None
    assert found.std is None


@pytest.mark.parametrize("spread", [True, False])
def test_a_group_without_cells_has_no_attributions(smooth_target, counts, spread):
    codes = np.repeat([0, 2], 30)
    found = attribute_groups(smooth_target, counts, codes, spread=spread)
    assert np.isnan(found.mean[1]).all()
    assert np.isfinite(found.mean[[0, 2]]).all()
    assert found.n_cells.tolist() == [30, 0, 30]


def test_one_cell_has_no_standard_deviation(smooth_target, counts):
    codes = np.r_[0, np.ones(59, dtype=int)]
    found = attribute_groups(smooth_target, counts, codes)
    assert np.isnan(found.std[0]).all()
    assert np.isfinite(found.mean[0]).all()
    assert np.isfinite(found.std[1]).all()


def test_a_large_mean_does_not_drown_the_deviation():
    """Sums of squares would: the mean is ten thousand deviations away from zero."""
    x = 1e4 + np.random.default_rng(0).normal(size=(500, 1))
    target = AttributionTarget(lambda u: u**2 / 2, lambda u: u, ["a"], kind="logit")
    found = attribute_groups(target, x, np.zeros(500, dtype=int), batch_size=17)
    np.testing.assert_allclose(found.std, x.astype(np.float32).std(ddof=1), rtol=1e-2)


def test_genes_and_cells_without_counts_have_finite_attributions(smooth_target, counts, codes):
    x = counts.toarray()
    x[3], x[:, 5] = 0.0, 0.0
    for method in ALL:
        assert np.isfinite(attribute_groups(smooth_target, x, codes, method=method).mean).all()


@pytest.mark.parametrize("method", ALL)
def test_random_numbers_of_others_are_left_alone(method, smooth_target, counts, codes):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    attribute_groups(smooth_target, counts, codes, method=method)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("method", ALL)
def test_no_more_cells_are_dense_than_a_batch_has(method, linear, counts, codes):
    seen = []

    def transform(x):
        seen.append(len(x))
        return x

    attribute_groups(replace(linear[1], transform=transform), counts, codes, method=method, batch_size=3)
    pool = {60, 48} if method == "expected_gradients" else set()  # cells to draw from, at most 200
    assert set(seen) - pool <= {1, 2, 3, 4}


def test_nothing_is_left_in_the_network(network, make_target, counts, codes):
    attribute_groups(make_target(network, projected=True), counts, codes)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_double_precision_is_kept(network, make_target, counts, codes):
    found = attribute_groups(make_target(network.double(), projected=True), counts, codes)
    assert np.abs(found.mean - found.mean.astype(np.float32)).max() > 0


# --- bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "saliency"}, r"'gradient'.*but is 'saliency'"),
        ({"outputs": ["class_0", "class_9", "class_1", "class_2"]}, r"no output 'class_9', only 'class_0'"),
        ({"outputs": [0, 1, 2, 7]}, "no output '7'"),
        ({"outputs": ["class_0"]}, "4 groups, but there is an output for 1"),
        ({"outputs": "class_0"}, "one output for each group, or 'all'"),
        ({"codes": np.zeros(10, dtype=int)}, "one integer for each of 60 cells"),
        ({"codes": np.zeros(60)}, "one integer for each of 60 cells"),
        ({"codes": np.full(60, -1)}, "leaves out every cell"),
        ({"x": np.full((60, 30), np.nan)}, "NaN"),
        ({"x": np.zeros((0, 30))}, "no cells"),
        ({"x": np.zeros(30)}, "cells x genes"),
        ({"batch_size": 0}, "`batch_size` must be positive"),
        ({"baseline": "zero"}, "has no baseline"),
        ({"method": "integrated_gradients", "baseline": "cells"}, "'mean'.*but is 'cells'"),
        ({"method": "integrated_gradients", "baseline": np.zeros(7)}, "must have 30 genes"),
        ({"method": "integrated_gradients", "baseline": np.zeros((3, 30))}, "one for each of 4 groups"),
        ({"method": "integrated_gradients", "baseline": np.full(30, np.nan)}, "NaN"),
        ({"method": "integrated_gradients", "n_steps": 0}, "`n_steps` must be positive"),
        ({"method": "integrated_gradients", "baseline": "rest", "codes": np.zeros(60, dtype=int)}, "no rest"),
    ],
)
def test_bad_input_is_named(change, message, linear, counts, codes):
    arguments = {"x": counts, "codes": codes} | change
    with pytest.raises(ValueError, match=message):
        attribute_groups(linear[1], **arguments)


def test_an_option_of_another_method_is_an_error(linear, counts, codes):
    with pytest.raises(TypeError, match="'gradient' has no option 'n_steps', only nothing"):
        attribute_groups(linear[1], counts, codes, n_steps=3)


def test_a_network_in_training_is_an_error(network, make_target, counts, codes):
    target = make_target(network.train(), projected=False)
    with pytest.raises(ValueError, match="eval"):
        attribute_groups(target, counts, codes)


def test_batch_norm_alone_in_training_is_an_error(make_target, counts, codes, smooth_network):
    for module in smooth_network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with pytest.raises(ValueError, match="eval"):
        attribute_groups(make_target(smooth_network.train(), projected=True), counts, codes)


def test_a_function_of_another_shape_is_an_error(linear, counts, codes):
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        attribute_groups(replace(linear[1], function=lambda x: x.sum(1)), counts, codes)
    with pytest.raises(ValueError, match="each of its 4 outputs"):
        attribute_groups(replace(linear[1], function=lambda x: x), counts, codes)


def test_a_function_without_gradient_is_an_error(linear, counts, codes):
    with pytest.raises(ValueError, match="no gradient"):
        attribute_groups(replace(linear[1], function=lambda x: linear[1].function(x).detach()), counts, codes)


def test_a_function_that_overflows_is_an_error(linear, counts, codes):
    with pytest.raises(ValueError, match="returned NaN or infinite"):
        attribute_groups(replace(linear[1], function=lambda x: linear[1].function(x) * np.inf), counts, codes)


def test_half_a_projection_is_an_error(linear, counts, codes):
    with pytest.raises(ValueError, match="both a `projection` and a `head`"):
        attribute_groups(replace(linear[1], projection=torch.eye(30)), counts, codes)


def test_a_projection_of_other_genes_is_an_error(network, make_target, counts, codes):
    target = replace(make_target(network, projected=True), projection=torch.zeros((12, 16)))
    with pytest.raises(ValueError, match="12 rows, but its input 30 genes"):
        attribute_groups(target, counts, codes)
