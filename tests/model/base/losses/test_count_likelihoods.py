from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from scpi.model.base.losses._count_likelihoods import loss_of_mean, negative_binomial_loss, zero_inflated_loss

COUNTS = np.array([0.0, 0.0, 1.0, 7.0, 300.0])
MEAN = np.array([0.01, 5.0, 2.0, 4.0, 280.0])
THETA = np.array([1e-3, 2.0, 50.0, 0.5, 10.0])
LOGIT = np.array([-3.0, 1.0, 0.0, 2.0, -1.0])


def tensors():
    return (torch.from_numpy(v) for v in (COUNTS, np.log(MEAN), THETA))


def reference():
    return stats.nbinom(THETA, THETA / (THETA + MEAN))


def test_negative_binomial():
    np.testing.assert_allclose(negative_binomial_loss(*tensors()).numpy(), -reference().logpmf(COUNTS), rtol=1e-6)


def test_zero_inflated():
    lost = 1 / (1 + np.exp(-LOGIT))
    likelihood = (1 - lost) * reference().pmf(COUNTS) + lost * (COUNTS == 0)
    found = zero_inflated_loss(*tensors(), torch.from_numpy(LOGIT))
    np.testing.assert_allclose(found.numpy(), -np.log(likelihood), rtol=1e-6)
    ridge = zero_inflated_loss(*tensors(), torch.from_numpy(LOGIT), ridge=2.0)
    np.testing.assert_allclose((ridge - found).numpy(), 2 * lost**2, rtol=1e-6)


def test_extremes_are_finite():
    counts = torch.tensor([0.0, 1e5, 0.0])
    log_mean = torch.tensor([-11.0, 13.0, 13.0], requires_grad=True)
    theta = torch.tensor([1e4, 1e-4, 1e4], requires_grad=True)
    logit = torch.tensor([-80.0, 80.0, 80.0], requires_grad=True)
    loss = zero_inflated_loss(counts, log_mean, theta, logit, ridge=1.0)
    loss.sum().backward()
    assert all(torch.isfinite(v).all() for v in (loss, log_mean.grad, theta.grad, logit.grad))


def test_nothing_cancels_near_the_poisson_distribution():
    counts, mean = np.array([0.0, 3.0, 900.0]), np.array([2.0, 2.0, 1000.0])
    given = (torch.tensor(values, dtype=torch.float32) for values in (counts, np.log(mean)))
    found = negative_binomial_loss(*given, torch.full((3,), 1e8))
    np.testing.assert_allclose(found.numpy(), -stats.poisson(mean).logpmf(counts), rtol=1e-3)


@pytest.mark.parametrize("of_cells", [True, False])
@pytest.mark.parametrize("inflated", [True, False])
def test_gradients_are_those_of_the_formula(inflated, of_cells):
    rng = np.random.default_rng(0)
    counts = torch.from_numpy(rng.poisson(rng.gamma(0.5, 4, (6, 5))).astype(float))
    shape = (6, 5) if of_cells else (5,)
    drawn = [rng.normal(size=(6, 5)), rng.gamma(1, size=shape) + 0.05, rng.normal(size=shape)]
    log_mean, theta, logit = given = [torch.from_numpy(values).requires_grad_() for values in drawn]
    outer = torch.from_numpy(rng.normal(size=(6, 5)))
    total = torch.log(theta + log_mean.exp())
    loss = torch.lgamma(theta) + torch.lgamma(counts + 1) - torch.lgamma(counts + theta)
    loss = loss + (theta + counts) * total - theta * theta.log() - counts * log_mean
    if inflated:
        lost = torch.sigmoid(logit)
        loss = -torch.log(lost * (counts == 0) + (1 - lost) * torch.exp(-loss))
    found = zero_inflated_loss(counts, *given) if inflated else negative_binomial_loss(counts, log_mean, theta)
    np.testing.assert_allclose(found.detach(), loss.detach(), rtol=1e-7)
    used = given if inflated else given[:2]
    for one, expected in zip(
        torch.autograd.grad((found * outer).sum(), used), torch.autograd.grad((loss * outer).sum(), used), strict=True
    ):
        np.testing.assert_allclose(one, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("inflated", [False, True])
def test_what_depends_on_the_mean_differs_by_as_much_as_the_loss(inflated):
    torch.manual_seed(0)
    counts = torch.poisson(torch.full((50, 6), 1.0, dtype=torch.float64))
    log_mean, theta = 2 * torch.randn(2, 50, 6).double(), torch.rand(6).double() * 5 + 0.1
    dropout = torch.randn(6).double() if inflated else None
    whole = [
        negative_binomial_loss(counts, mean, theta)
        if dropout is None
        else zero_inflated_loss(counts, mean, theta, dropout.expand(50, 6))
        for mean in log_mean
    ]
    part = [loss_of_mean(counts, mean, theta, dropout) for mean in log_mean]
    np.testing.assert_allclose(part[1] - part[0], whole[1] - whole[0], atol=1e-12)
