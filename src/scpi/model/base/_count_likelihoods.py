"""Likelihoods of counts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_EPS = 1e-10


def negative_binomial_loss(counts: Tensor, log_mean: Tensor, theta: Tensor) -> Tensor:
    """Negative log-likelihood of counts under a negative binomial distribution, entry by entry.

    Parameters
    ----------
    counts
        Counts.
    log_mean
        Logarithm of the mean.
    theta
        Inverse overdispersion: the variance is mean + mean² / theta.

    Returns
    -------
    Losses, of the shape of the counts.
    """
    log_theta = torch.log(theta)
    # log(theta + mean) of the logarithms, which neither overflows nor loses a small mean.
    log_total = torch.logaddexp(log_theta, log_mean)
    return (
        torch.lgamma(theta)
        + torch.lgamma(counts + 1.0)
        - torch.lgamma(counts + theta)
        + (theta + counts) * log_total
        - theta * log_theta
        - counts * log_mean
    )


def zero_inflated_loss(
    counts: Tensor, log_mean: Tensor, theta: Tensor, dropout_logit: Tensor, *, ridge: float = 0.0
) -> Tensor:
    """Negative log-likelihood of counts under a zero-inflated negative binomial distribution, entry by entry.

    Parameters
    ----------
    counts
        Counts.
    log_mean
        Logarithm of the mean.
    theta
        Inverse overdispersion.
    dropout_logit
        Logit of the probability that a count is lost.
    ridge
        Weight of the square of that probability.

    Returns
    -------
    Losses, of the shape of the counts.
    """
    kept = negative_binomial_loss(counts, log_mean, theta) + F.softplus(dropout_logit)
    log_theta = torch.log(theta)
    log_zero = theta * (log_theta - torch.logaddexp(log_theta, log_mean))
    zero = F.softplus(dropout_logit) - torch.logaddexp(dropout_logit, log_zero)
    loss = torch.where(counts < _EPS, zero, kept)
    return loss + ridge * torch.sigmoid(dropout_logit).square() if ridge else loss
