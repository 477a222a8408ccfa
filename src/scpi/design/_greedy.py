"""Measurements chosen one after the other, each as if those before it had been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


# Candidates whose variances are looked up together
_BATCH = 64
_TINY = 1e-300


class Pick(NamedTuple):
    """One of the candidates, in the order in which they are chosen."""

    place: int
    """Its place among the candidates."""
    gain: float
    """What it was chosen for."""
    removed: Floats | None = None
    """By how much it lowers the variance of each target, (n_targets,)."""


def reduce_variance(
    k: int,
    variance: Callable[[NDArray[np.intp]], Floats],
    noise: float,
    covariance: Callable[[int], Floats],
    cross: Floats,
    target_variance: Floats,
) -> list[Pick]:
    """Choose what lowers the sum of the variances of the targets most (V-optimality).

    A measurement of a candidate is its value, whose posterior has the ``variance`` of some candidates, with independent
    ``noise``. ``covariance`` gives the covariance of all candidates with one of them, ``cross`` is that of the targets with the
    measurements of the candidates, targets x candidates, and ``target_variance`` are the variances of the targets.

    The variance of a candidate is asked for only while its gain may be the largest: what is known of its covariance with the targets
    bounds it from below.
    """
    cross, of_target = cross.copy(), np.maximum(target_variance, _TINY)
    steps: list[Floats] = []
    picks: list[Pick] = []
    squared, removed = np.square(cross).sum(axis=0), np.zeros(cross.shape[1])
    total = np.full(cross.shape[1], np.nan)
    for _ in range(k):
        # No covariance is larger than its two variances allow
        least = np.maximum((np.square(cross) / of_target[:, None]).max(axis=0), noise)
        bound = squared / least
        bound[[pick.place for pick in picks]] = -np.inf
        place = _largest_gain(bound, squared, total, removed, noise, variance)
        left = max(float(total[place] - removed[place]), noise)
        step, column = _step(place, left, covariance, steps), cross[:, place] / np.sqrt(left)
        picks.append(Pick(place, float(squared[place] / left), np.square(column)))
        # The squared columns of the rest, from what changes, without a look at all of them
        squared += -2.0 * step * (column @ cross) + np.square(step) * (column @ column)
        cross -= np.outer(column, step)
        removed += np.square(step)
        of_target = np.maximum(of_target - np.square(column), _TINY)
        steps.append(step)
    return picks


def _largest_gain(
    bound: Floats,
    squared: Floats,
    total: Floats,
    removed: Floats,
    noise: float,
    variance: Callable[[NDArray[np.intp]], Floats],
) -> int:
    """Place of the largest gain, none of which is above its bound; variances that had to be looked up are filled in."""
    order = np.argsort(-bound, kind="stable")
    place, best = int(order[0]), -np.inf
    for first in range(0, len(order), _BATCH):
        some = np.sort(order[first : first + _BATCH])
        if bound[order[first]] < best:
            break
        unknown = some[np.isnan(total[some])]
        if len(unknown):
            total[unknown] = variance(unknown) + noise
        gains = np.where(np.isinf(bound[some]), -np.inf, squared[some] / np.maximum(total[some] - removed[some], noise))
        if gains.max() > best:
            place, best = int(some[gains.argmax()]), float(gains.max())
    return place


def gain_information(k: int, variance: Floats, noise: float, covariance: Callable[[int], Floats]) -> list[Pick]:
    """Choose what tells most, in nats, of the values of all candidates: the largest determinant (D-optimality)."""
    left = variance.copy()
    steps: list[Floats] = []
    picks: list[Pick] = []
    for _ in range(k):
        gains = 0.5 * np.log1p(left / noise)
        gains[[pick.place for pick in picks]] = -np.inf
        place = int(gains.argmax())
        steps.append(_step(place, float(left[place]) + noise, covariance, steps))
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


def _step(place: int, left: float, covariance: Callable[[int], Floats], steps: list[Floats]) -> Floats:
    """Covariance of all candidates with a measurement of one, after those before it, over its standard deviation.

    ``left`` is the variance of the measurement, which those before it have left.
    """
    column = covariance(place)
    for step in steps:
        column = column - step[place] * step
    return np.asarray(column / np.sqrt(left))
