"""Ratios of gamma functions by Stirling's series: in a fraction of the time of `lgamma` and `digamma`."""

from __future__ import annotations

import torch
from torch import Tensor

# Steps of the recurrence of the gamma function before the series is close enough: to 1e-8
_SHIFT = 5


def log_rising_factorial(counts: Tensor, theta: Tensor) -> Tensor:
    """Logarithm of `theta (theta + 1) ... (theta + counts - 1)`, that is `lgamma(theta + counts) - lgamma(theta)`.

    Counts are 0 or above, theta is above 0 and broadcasts to them. The series are those of the difference, which keeps
    its digits where theta is large.
    """
    low = theta + _SHIFT
    high = low + counts
    factors = 1.0 + counts / theta
    for i in range(1, _SHIFT):
        factors *= 1.0 + counts / (theta + i)
    result = counts * (torch.log(low) - 1.0)
    result += (high - 0.5) * torch.log1p(counts / low)
    result += _series(high) - _series(low)
    return result.sub_(factors.log_())


def log_rising_factorial_slope(counts: Tensor, theta: Tensor) -> Tensor:
    """Derivative of :func:`log_rising_factorial` in theta, `digamma(theta + counts) - digamma(theta)`."""
    low = theta + _SHIFT
    slope = torch.log1p(counts / low)
    slope += _series_slope(low + counts) - _series_slope(low)
    for i in range(_SHIFT):
        slope += counts / ((theta + i) * (theta + i + counts))
    return slope


def _series(z: Tensor) -> Tensor:
    """What Stirling's formula adds to `(z - 1/2) log z - z`, but for a constant."""
    inverse = 1.0 / z
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square / 1260))


def _series_slope(z: Tensor) -> Tensor:
    """What it adds to `log z` in the derivative."""
    inverse = 1.0 / z
    square = inverse * inverse
    return -0.5 * inverse - square * (1 / 12 - square * (1 / 120 - square / 252))
