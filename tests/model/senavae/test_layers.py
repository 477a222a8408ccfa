from __future__ import annotations

import math

import pytest
import torch

from scpi.model.senavae._layers import GeneSetLinear, SoftGeneSetLinear, gene_set_layer

N_GENES, N_SETS = 12, 5


@pytest.fixture
def membership():
    generator = torch.Generator().manual_seed(0)
    membership = torch.rand(N_GENES, N_SETS, generator=generator) < 0.4
    membership[:, 3] = False
    membership[7, :] = False
    return membership


@pytest.fixture
def x():
    return torch.randn(6, N_GENES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def with_gradients(output, inputs):
    """A value and its gradients by the inputs, for a fixed cotangent."""
    cotangent = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    return output, *torch.autograd.grad((output * cotangent).sum(), inputs)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_hard_mask_is_the_masked_product(membership, x, sparse):
    """a = x (W * M)' + b, with its gradients by x, W and b."""
    layer = GeneSetLinear(membership.to_sparse() if sparse else membership, init="n_genes").double()
    weight = layer.dense_weight().detach().clone().requires_grad_()
    bias = layer.bias.detach().clone().requires_grad_()
    mask = membership.t().double()
    assert (weight[mask == 0] == 0).all()
    assert (weight[mask == 1] != 0).all()
    x.requires_grad_()
    expected = with_gradients(x @ (weight * mask).t() + bias, [x, weight, bias])
    found = with_gradients(layer(x), [x, layer.weight, layer.bias])
    torch.testing.assert_close(found[0], expected[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(found[1], expected[1], atol=1e-12, rtol=0)
    # The layer keeps one weight a membership, set by set.
    torch.testing.assert_close(found[2], expected[2][mask == 1], atol=1e-12, rtol=0)
    torch.testing.assert_close(found[3], expected[3], atol=1e-12, rtol=0)
    assert layer.weight.numel() == membership.sum()


@pytest.mark.parametrize("leak", [1e-3, 0.1, 1.0])
def test_the_soft_mask_counts_others_by_the_leak(membership, x, leak):
    layer = SoftGeneSetLinear(membership, leak=leak, init="n_genes").double()
    weight, bias = (parameter.detach().clone().requires_grad_() for parameter in (layer.weight, layer.bias))
    mask = torch.where(membership.t(), 1.0, leak).double()
    x.requires_grad_()
    expected = with_gradients(x @ (weight * mask).t() + bias, [x, weight, bias])
    found = with_gradients(layer(x), [x, layer.weight, layer.bias])
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6 * leak, rtol=0)
    if leak == 1:
        torch.testing.assert_close(found[0], torch.nn.functional.linear(x, weight, bias))


def test_means_are_means(membership, x):
    layer = GeneSetLinear(membership, init="set_mean").double()
    sizes = membership.sum(0)
    for weights in (layer.dense_weight(), _moved(layer).dense_weight()):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(1), (sizes > 0).double())
    torch.testing.assert_close(layer(x + 2.5) - layer(x), (2.5 * (sizes > 0)).double().expand(6, -1))


def _moved(layer):
    with torch.no_grad():
        layer.weight.add_(torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(2)))
    return layer


def test_means_have_the_gradient_of_finite_differences(membership, x):
    layer = GeneSetLinear(membership, init="set_mean").double()
    assert torch.autograd.gradcheck(
        lambda weight: torch.func.functional_call(layer, {"weight": weight}, (x,)),
        layer.weight.detach().requires_grad_(),
    )


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_initial_weights_are_as_published(leak):
    membership = torch.rand(400, 50, generator=torch.Generator().manual_seed(0)) < 0.1
    torch.manual_seed(0)
    layer = gene_set_layer(membership, leak=leak, init="n_genes")
    bound = 1 / math.sqrt(400)
    for values in (layer.weight, layer.bias):
        assert values.abs().max() <= bound
        assert values.abs().max() > 0.9 * bound
        assert abs(float(values.mean())) < 0.1 * bound
        assert float(values.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_weights_of_a_set_may_depend_on_its_size():
    membership = torch.zeros(100, 2, dtype=torch.bool)
    membership[:4, 0] = True
    membership[:, 1] = True
    weights = GeneSetLinear(membership, init="set_size").dense_weight()
    assert weights[0].abs().max() <= 0.5
    assert weights[1].abs().max() <= 0.1
    assert weights[0].abs().max() > 0.1


@pytest.mark.parametrize("leak", [0.0, 0.5])
def test_the_mask_is_saved_and_moved_with_the_layer(membership, x, leak):
    layer = gene_set_layer(membership, leak=leak)
    other = gene_set_layer(torch.roll(membership, 1, 0), leak=leak)
    assert {"genes", "offsets"} <= set(layer.state_dict()) or "mask" in layer.state_dict()
    other.load_state_dict(layer.state_dict())
    torch.testing.assert_close(other(x.float()), layer(x.float()))
    assert all(buffer.device.type == "meta" for buffer in layer.to("meta").buffers())


@pytest.mark.parametrize("leak", [-0.1, math.nan, math.inf])
def test_a_leak_is_a_number_from_zero(membership, leak):
    with pytest.raises(ValueError, match="must be finite and >= 0"):
        gene_set_layer(membership, leak=leak)
