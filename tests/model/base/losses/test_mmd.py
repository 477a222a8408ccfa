from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.metrics import mmd
from scpi.model.base.losses._mmd import bandwidth_from_cells, batched_mmd


def naive(x, y, weight, *, base, n_kernels, unbiased):
    """The definition, pair by pair, for one condition; differentiable by torch."""
    bandwidths = [base * 2.0 ** (i - n_kernels // 2) for i in range(n_kernels)]

    def kernel(a, b):
        return sum(torch.exp(-((a - b) ** 2).sum() / h) for h in bandwidths)

    y = y[weight > 0]
    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j or not unbiased)
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j or not unbiased)
    xy = sum(kernel(x[i], y[j]) for i in range(n) for j in range(m))
    if unbiased:
        return xx / max(n * (n - 1), 1) + yy / max(m * (m - 1), 1) - 2 * xy / (n * m)
    return xx / n**2 + yy / m**2 - 2 * xy / (n * m)


def samples(seed=0, *, n_conditions=3, n_cells=5, n_features=4, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_conditions, n_cells, n_features, generator=generator, dtype=torch.float64) + offset
    y = 1.5 * torch.randn(n_conditions, n_cells, n_features, generator=generator, dtype=torch.float64) + 0.5 + offset
    # Parts of 5, 3 and 2 cells: the rest is padding of zeros, as the loader makes it.
    weight = torch.zeros(n_conditions, n_cells, dtype=torch.float64)
    for condition, size in enumerate([n_cells, 3, 2][:n_conditions]):
        weight[condition, :size] = 1
    return x, y * weight[:, :, None], weight


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("n_kernels", [1, 2, 5, 10])
def test_the_definition_and_its_gradient(unbiased, n_kernels):
    x, y, weight = samples()
    x.requires_grad_()
    value = batched_mmd(x, y, weight, base=3.0, n_kernels=n_kernels, unbiased=unbiased)
    expected = torch.stack(
        [naive(a, b, w, base=3.0, n_kernels=n_kernels, unbiased=unbiased) for a, b, w in zip(x, y, weight, strict=True)]
    )
    torch.testing.assert_close(value, expected, atol=1e-10, rtol=0)
    factor = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    (gradient,) = torch.autograd.grad((value * factor).sum(), x)
    (expected_gradient,) = torch.autograd.grad((expected * factor).sum(), x)
    torch.testing.assert_close(gradient, expected_gradient, atol=1e-10, rtol=0)
    assert expected_gradient.abs().max() > 1e-3


@pytest.mark.parametrize("unbiased", [True, False])
def test_the_metric_of_the_same_name(unbiased):
    x, y, weight = samples(1)
    value = batched_mmd(x, y, weight, base=2.5, unbiased=unbiased)
    for condition, size in enumerate([5, 3, 2]):
        expected = mmd(x[condition].numpy(), y[condition, :size].numpy(), base_bandwidth=2.5, unbiased=unbiased)
        assert float(value[condition]) == pytest.approx(expected, abs=1e-10)


def test_the_published_kernels_are_wide():
    """The bandwidths around 200 go from 6.25 to 3,200."""
    x, y = torch.zeros(1, 1, 1, dtype=torch.float64), torch.full((1, 1, 1), 2.0, dtype=torch.float64)
    value = batched_mmd(x, y, base=200.0, unbiased=False)
    expected = 2 * 10 - 2 * sum(np.exp(-4 / bandwidth) for bandwidth in 6.25 * 2.0 ** np.arange(10))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_without_weights_all_cells_count():
    x, y, _ = samples(2)
    torch.testing.assert_close(
        batched_mmd(x, y, base=2.0), batched_mmd(x, y, torch.ones(3, 5, dtype=torch.float64), base=2.0)
    )


@pytest.mark.parametrize("unbiased", [True, False])
def test_padding_does_not_count(unbiased):
    x, y, weight = samples(3)
    other = torch.where(weight[:, :, None] > 0, y, torch.full_like(y, 7.0))
    for filled in (y, other):
        torch.testing.assert_close(
            batched_mmd(x, filled, weight, base=2.0, unbiased=unbiased)[1],
            naive(x[1], y[1], weight[1], base=2.0, n_kernels=10, unbiased=unbiased),
            atol=1e-10,
            rtol=0,
        )


@pytest.mark.parametrize("unbiased", [True, False])
def test_float32_is_exact_far_from_the_origin(unbiased):
    """Distances come from products, which cancel unless the cells are centred: padding must not shift the centre."""
    x, y, weight = samples(4, n_cells=16, n_features=30)
    near = batched_mmd(x, y, weight, base=60.0, unbiased=unbiased)
    far_x, far_y = (x + 3000).float(), ((y + 3000) * weight[:, :, None]).float()
    far_x.requires_grad_()
    far = batched_mmd(far_x, far_y, weight.float(), base=60.0, unbiased=unbiased)
    # Rounding of the cells themselves, 3000 * 2^-24, is all that is lost.
    torch.testing.assert_close(far.double(), near, atol=2e-3, rtol=0)


def test_the_unbiased_statistic_is_zero_in_the_mean_under_equality():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2000, 8, 3, generator=generator) for _ in range(2))
    unbiased = batched_mmd(x, y, base=6.0)
    biased = batched_mmd(x, y, base=6.0, unbiased=False)
    assert abs(float(unbiased.mean())) < 4 * float(unbiased.std()) / 2000**0.5
    # E[V] = (2 / n) (m - mean kernel between cells)
    assert float(biased.mean()) > 0.5


def test_one_measured_cell_is_compared():
    x, y, weight = samples(5)
    weight[0, 1:] = 0
    value = batched_mmd(x.requires_grad_(), y, weight, base=2.0)
    assert torch.isfinite(value).all()
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert torch.isfinite(gradient).all()


def test_a_gradient_by_the_measured_cells_is_refused():
    x, y, weight = samples()
    with pytest.raises(ValueError, match="first sample"):
        batched_mmd(x, y.requires_grad_(), weight, base=1.0)


def test_half_precision_is_computed_in_single():
    x, y, weight = samples(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = batched_mmd(x.bfloat16(), y.float(), weight, base=3.0)
    assert value.dtype == torch.float32
    torch.testing.assert_close(
        value.double(), batched_mmd(x.bfloat16().double(), y, weight, base=3.0), atol=1e-5, rtol=0
    )


def test_the_bandwidth_is_the_mean_squared_distance_between_cells():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 3))) + 50
    pairs = [float(((x[i] - x[j]) ** 2).sum()) for i in range(7) for j in range(7) if i != j]
    assert bandwidth_from_cells(x) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_the_bandwidth_of_equal_cells_is_a_number():
    assert bandwidth_from_cells(torch.full((4, 2), 3.0)) == 1.0
