"""Effects of perturbations in few components: what a Gaussian process predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST = 200
# Strong perturbations differ more from what features tell, and would drown the others: their deviation from the mean is
# divided by the square root of its size
_EXPONENT = 0.5


class Response(NamedTuple):
    """Effects of perturbations, as deviations from their mean in units of their size, in components."""

    mean: NDArray[np.float64]
    """Mean effect, (n_genes,)."""
    axes: NDArray[np.float64]
    """Directions of the components, components x genes."""
    deviation: NDArray[np.float64]
    """Deviation of each perturbation from the mean, perturbations x components."""
    size: NDArray[np.float64]
    """By what the deviation of each perturbation is divided; the geometric mean is 1."""
    noise: NDArray[np.float64]
    """Variance of each perturbation that is noise of its cells, in units of the variance of the perturbations."""

    @property
    def scores(self) -> NDArray[np.float64]:
        """Deviations in units of their size, less their mean."""
        scaled = self.deviation / self.size[:, None]
        return np.asarray(scaled - scaled.mean(axis=0))

    @property
    def importance(self) -> NDArray[np.float64]:
        """Fraction of the variance of the scores that each component has."""
        variance = np.square(self.scores).sum(axis=0)
        return np.asarray(variance / variance.sum())


def take_response(
    effects: NDArray[np.float64], errors: NDArray[np.float64], *, exponent: float = _EXPONENT, least: int = 1
) -> Response | None:
    """Components of effects with standard errors, perturbations x genes; ``None`` where all effects are the same.

    There are as many components as stand out of the noise: those whose singular value is above the threshold of Gavish
    and Donoho (2014, IEEE Transactions on Information Theory 60:5040) for noise of an unknown level, or ``least``, if there are as many. ``exponent`` is the power of its size by which a
    deviation is divided.
    """
    mean = effects.mean(axis=0)
    centred = effects - mean
    if len(effects) < 2 or not centred.any():
        return None
    size = sizes(centred, exponent)
    scaled = centred / size[:, None]
    scaled -= scaled.mean(axis=0)
    # Rows that are mostly noise have no say in what the components are
    variance = np.square(errors / size[:, None])
    level = np.square(scaled).mean()
    heard = 1.0 / np.sqrt(1.0 + variance.mean(axis=1) / level)
    axes = _components(scaled * heard[:, None], least)
    deviation = centred @ axes.T
    spread = np.average(np.square(scaled @ axes.T), axis=0, weights=np.square(heard))
    # Of the variance of a component, averaged over components by how much they have of it
    noise = (variance @ np.square(axes).T).sum(axis=1) / spread.sum()
    return Response(mean, axes, deviation, size, noise)


def sizes(centred: NDArray[np.float64], exponent: float = _EXPONENT) -> NDArray[np.float64]:
    """By what the deviations from the mean of perturbations are divided: a power of their size, with a geometric mean of 1."""
    squared = np.square(centred).mean(axis=1)
    relative = np.log(np.maximum(squared, 1e-6 * squared.max()))
    return np.asarray(np.exp(exponent / 2 * (relative - relative.mean())))


def _components(values: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    """Principal axes of rows that stand out of noise, and at least so many, components x columns."""
    n, m = values.shape
    wide = n <= m
    gram = values @ values.T if wide else values.T @ values
    squared, vectors = np.linalg.eigh(gram)
    singular = np.sqrt(np.maximum(squared[::-1], 0.0))
    # The rows are centred, so that one singular value is zero
    possible = singular[: max(1, min(n - 1, m))]
    ratio = min(n - 1, m) / max(n - 1, m)
    threshold = (0.56 * ratio**3 - 0.95 * ratio**2 + 1.82 * ratio + 1.43) * np.median(possible)
    rank = int(np.clip((possible > threshold).sum(), least, min(_MOST, len(possible))))
    rank = max(1, min(rank, int((possible > 1e-7 * possible[0]).sum())))
    leading = vectors[:, ::-1][:, :rank]
    axes = (values.T @ leading / singular[:rank]).T if wide else leading.T
    return np.asarray(axes)
