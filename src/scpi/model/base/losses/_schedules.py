"""Weights that change over the epochs of training."""

from __future__ import annotations

import math


def ramp(epoch: int, *, n_epochs: int, start_epoch: int, low: float, high: float) -> float:
    """Weight that is ``low`` until ``start_epoch``, rises linearly and is ``high`` from half of the epochs on.

    Epochs count from 0. The rise takes the values of ``n_epochs // 2 - start_epoch`` evenly spaced points from ``low``
    to ``high``, both included.
    """
    n_rise = n_epochs // 2 - start_epoch
    if epoch < start_epoch:
        return low
    if epoch >= n_epochs // 2:
        return high
    return low if n_rise == 1 else low + (high - low) * (epoch - start_epoch) / (n_rise - 1)


def anneal_end(*, n_epochs: int, start_epochs: tuple[int, ...]) -> int:
    """First epoch from which no ramp changes any more."""
    return min(max(n_epochs // 2, *start_epochs), max(n_epochs - 1, 0))


def half_cosine(done: float, *, final: float) -> float:
    """Factor from 1 to ``final`` along half a cosine, at a fraction of the training (above 1 as 1)."""
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
