"""Measurements chosen one after the other, each as if those before it had been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Pick(NamedTuple):
    """One of the candidates, in the order in which they are chosen."""

    place: int
    """Its place among the candidates."""
    gain: float
    """What it was chosen for."""
    removed: Floats | None = None
    """By how much it lowers the variance of each target, (n_targets,)."""


def reduce_variance(
    k: int, variance: Floats, noise: float, covariance: Callable[[int], Floats], cross: Floats
) -> list[Pick]:
    """Choose what lowers the sum of the variances of the targets most (V-optimality).

    A measurement of a candidate is its value, whose posterior has the ``variance`` (n_candidates,), with independent
    ``noise``. ``covariance`` gives the covariance of all candidates with one of them, and ``cross`` is that of the targets with
    the candidates, targets x candidates.
    """
    left, cross = variance.copy(), cross.copy()
    steps: list[Floats] = []
    picks: list[Pick] = []
    squared = np.square(cross).sum(axis=0)
    for _ in range(k):
        gains = squared / (left + noise)
        gains[[pick.place for pick in picks]] = -np.inf
        place = int(gains.argmax())
        step = _step(place, left, noise, covariance, steps)
        column = cross[:, place] / np.sqrt(left[place] + noise)
        picks.append(Pick(place, float(gains[place]), np.square(column)))
        # The squared columns of the rest, from what changes, without a look at all of them
        squared += -2.0 * step * (column @ cross) + np.square(step) * (column @ column)
        cross -= np.outer(column, step)
        left = np.maximum(left - np.square(step), 0.0)
        steps.append(step)
    return picks


def gain_information(k: int, variance: Floats, noise: float, covariance: Callable[[int], Floats]) -> list[Pick]:
    """Choose what tells most, in nats, of the values of all candidates: the largest determinant (D-optimality)."""
    left = variance.copy()
    steps: list[Floats] = []
    picks: list[Pick] = []
    for _ in range(k):
        gains = 0.5 * np.log1p(left / noise)
        gains[[pick.place for pick in picks]] = -np.inf
        place = int(gains.argmax())
        steps.append(_step(place, left, noise, covariance, steps))
        picks.append(Pick(place, float(gains[place])))
        left = np.maximum(left - np.square(steps[-1]), 0.0)
    return picks


def spread_out(k: int, nearest: Floats, similarity: Callable[[int], Floats]) -> list[Pick]:
    """Choose what is least similar to all that is measured or chosen before; ``nearest`` is the largest similarity to the former."""
    nearest = nearest.copy()
    picks: list[Pick] = []
    for _ in range(k):
        gains = 1.0 - nearest
        gains[[pick.place for pick in picks]] = -np.inf
        place = int(gains.argmax())
        picks.append(Pick(place, float(gains[place])))
        nearest = np.maximum(nearest, similarity(place))
    return picks


def largest(k: int, values: Floats) -> list[Pick]:
    """The candidates with the largest values, each for itself."""
    return [Pick(int(place), float(values[place])) for place in np.argsort(-values, kind="stable")[:k]]


def _step(place: int, left: Floats, noise: float, covariance: Callable[[int], Floats], steps: list[Floats]) -> Floats:
    """Covariance of all candidates with a measurement of one, after those before it, over its standard deviation."""
    column = covariance(place)
    for step in steps:
        column = column - step[place] * step
    return np.asarray(column / np.sqrt(left[place] + noise))
