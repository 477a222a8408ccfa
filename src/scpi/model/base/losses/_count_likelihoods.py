"""Likelihoods of counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from scpi.model.base.losses._log_rising_factorial import log_rising_factorial, log_rising_factorial_slope


def negative_binomial_loss(counts: Tensor, log_mean: Tensor, theta: Tensor) -> Tensor:
    """Negative log-likelihood of counts, cells x genes, under a negative binomial distribution, entry by entry.

    ``log_mean`` has the shape of the counts; ``theta``, the inverse overdispersion, too, or one value per gene. The
    variance is mean + mean² / theta.
    """
    return torch.as_tensor(_CountLoss.apply(counts, log_mean, theta, None))


def zero_inflated_loss(
    counts: Tensor, log_mean: Tensor, theta: Tensor, dropout_logit: Tensor, *, ridge: float = 0.0
) -> Tensor:
    """As :func:`negative_binomial_loss`, for a zero-inflated distribution.

    ``dropout_logit``, of the shape of ``log_mean``, is the logit of the probability that a count is lost, and ``ridge``
    the weight of the square of that probability.
    """
    loss = torch.as_tensor(_CountLoss.apply(counts, log_mean, theta, dropout_logit))
    return loss + ridge * torch.sigmoid(dropout_logit).square() if ridge else loss


def loss_of_mean(counts: Tensor, log_mean: Tensor, theta: Tensor, dropout_logit: Tensor | None) -> Tensor:
    """What depends on ``log_mean`` in either loss, the zero-inflated one unless ``dropout_logit`` is ``None``.

    It takes a fraction of the time of the whole, but has no derivatives in closed form.
    """
    ratio = log_mean - torch.log(theta)
    spread = F.softplus(ratio)
    of_zero = theta * spread
    loss = torch.addcmul(of_zero, counts, spread - ratio)
    if dropout_logit is None:
        return loss
    return torch.where(counts > 0, loss, -F.softplus(-of_zero - dropout_logit))


class _CountLoss(torch.autograd.Function):
    """Both losses with their derivatives in closed form.

    With `ratio`, the logarithm of mean / theta, the negative binomial loss is
    `theta * softplus(ratio) + counts * softplus(-ratio) + log(counts!) - log_rising_factorial(counts, theta)`, in which
    nothing cancels where theta is large. All but the first term are computed for counts above 0 only, which are few.
    """

    @staticmethod
    def forward(ctx: Any, counts: Tensor, log_mean: Tensor, theta: Tensor, dropout: Tensor | None) -> Tensor:
        found = _Positive(counts)
        ratio = log_mean - torch.log(theta)
        spread = F.softplus(ratio)
        of_zero = theta * spread
        x, t = found.counts, found.take(theta)
        ctx.found, ctx.theta_of_found = found, t
        ctx.save_for_backward(ratio, spread, theta, dropout)
        positive = x * F.softplus(-found.take(ratio)) + torch.lgamma(x + 1.0) - log_rising_factorial(x, t)
        if dropout is None:
            return found.add(of_zero, positive)
        positive += found.take(of_zero) + F.softplus(found.take(dropout))
        # log(p + (1 - p) exp(-loss)), with the logit of p
        either = F.softplus(dropout) - dropout - F.softplus(-of_zero - dropout)
        return found.put(either, positive)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor, Tensor | None]:
        ratio, of_theta, theta, dropout = ctx.saved_tensors
        found, outer = ctx.found, gradients[0]
        share, of_dropout = torch.sigmoid(ratio), None
        x, absent = found.counts, found.take(share) - 1.0
        if dropout is not None:
            # Probability that a count was drawn and not lost, where a zero may be either
            drawn = found.put(torch.sigmoid(-theta * of_theta - dropout), torch.ones_like(x))
            of_theta, share = drawn * of_theta, drawn * share
            of_dropout = (outer * (torch.sigmoid(dropout) - 1.0 + drawn)).sum_to_size(dropout.shape)
        of_mean = found.add(theta * share, x * absent)
        of_theta = found.add(of_theta - of_mean / theta, -log_rising_factorial_slope(x, ctx.theta_of_found))
        return None, outer * of_mean, (outer * of_theta).sum_to_size(theta.shape), of_dropout


class _Positive:
    """Counts above 0 among those of cells x genes, and where they are."""

    def __init__(self, counts: Tensor) -> None:
        flat = counts.reshape(-1)
        self.shape = counts.shape
        # That of NumPy takes a tenth of the time
        on_cpu = flat.device.type == "cpu"
        self.places = torch.from_numpy(np.flatnonzero(flat.numpy() > 0)) if on_cpu else flat.nonzero().squeeze(1)
        self.counts = flat[self.places]

    def take(self, values: Tensor) -> Tensor:
        """Values in their places; those of the genes where all cells have the same."""
        places = self.places if values.shape == self.shape else self.places % self.shape[-1]
        return values.reshape(-1)[places]

    def add(self, values: Tensor, part: Tensor) -> Tensor:
        """Values with something more in their places."""
        return values.contiguous().view(-1).index_add_(0, self.places, part).view(self.shape)

    def put(self, values: Tensor, part: Tensor) -> Tensor:
        """Values with others in their places."""
        return values.contiguous().view(-1).index_copy_(0, self.places, part).view(self.shape)
