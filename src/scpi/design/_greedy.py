"""Greedy choice of measurements, each as if those before it had been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


# Number of candidates whose variances are computed together
_BATCH = 64
_TINY = 1e-300


class Pick(NamedTuple):
    """A chosen candidate."""

    place: int
    """Position among the candidates."""
    gain: float
    """Value of the criterion for which it was chosen."""
    removed: Floats | None = None
    """Reduction of the variance of each target, (n_targets,)."""


def reduce_variance(
    k: int,
    variance: Callable[[NDArray[np.intp]], Floats],
    noise: float,
    covariance: Callable[[int], Floats],
    cross: Floats,
    target_variance: Floats,
) -> list[Pick]:
    """Choose the candidates that lower the summed variance of the targets most (V-optimality).

    A measurement of a candidate is its value plus independent ``noise``. ``variance`` returns the posterior variance of
    some candidates, and ``covariance`` the covariance of all candidates with one of them. ``cross`` is the covariance
    of the targets with the measurements of the candidates, targets x candidates, and ``target_variance`` are the
    variances of the targets.

    The variance of a candidate is computed only while its gain may be the largest, because its known covariance with
    the targets gives a lower bound of the variance.
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
        # Update the squared columns of the residual without reading all of them
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
    """Find the position of the largest gain, given upper bounds; fill in the variances that this needs."""
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
    """Choose the candidates with most information, in nats, on the values of all candidates (D-optimality)."""
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
    """Choose the candidates least similar to all measured or chosen ones.

    ``nearest`` is the largest similarity to a measured one.
    """
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
    """Choose the candidates with the largest values, regardless of each other."""
    return [Pick(int(place), float(values[place])) for place in np.argsort(-values, kind="stable")[:k]]


def _step(place: int, left: float, covariance: Callable[[int], Floats], steps: list[Floats]) -> Floats:
    """Compute the covariance of all candidates with a measurement, given those before it, over its standard deviation.

    ``left`` is the remaining variance of the measurement, given those before it.
    """
    column = covariance(place)
    for step in steps:
        column = column - step[place] * step
    return np.asarray(column / np.sqrt(left))
