"""A linear surrogate of a decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

# Points at a time, so that decoded genes take little memory
_CHUNK = 2048
# Least cosine distance: a point on the ray of the direction would have all the weight
_LEAST = 1e-6


def linear_surrogate(
    decode: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    least: NDArray[np.float64],
    most: NDArray[np.float64],
    direction: NDArray[np.float64],
    n_samples: int,
    penalty: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Regress decoded points of a box on the points, most of all on those in a direction.

    ``least`` and ``most`` are the corners of the box, (n_latent,). Points count by the inverse of their cosine distance
    to the direction. The squared coefficients are penalised. Returned are the coefficients, (n_latent, n_genes), and
    the fraction of the variance of each gene that they explain on as many new points.
    """
    total, gram, cross, points, values = (np.zeros(()) for _ in range(5))
    for z in _chunks(least, most, n_samples, rng):
        weight = 1.0 / np.maximum(_cosine_distances(z, direction), _LEAST)
        y, weighted = decode(z), weight[:, None] * z
        total, points, values = total + weight.sum(), points + weighted.sum(0), values + weight @ y
        gram, cross = gram + weighted.T @ z, cross + weighted.T @ y
    mean_z, mean_y = points / total, values / total
    coefficients = np.linalg.solve(
        gram - total * np.outer(mean_z, mean_z) + penalty * np.eye(len(mean_z)),
        cross - total * np.outer(mean_z, mean_y),
    )
    error, first, second = (np.zeros(()) for _ in range(3))
    for z in _chunks(least, most, n_samples, rng):
        y = decode(z) - mean_y
        error = error + np.square(y - (z - mean_z) @ coefficients).sum(0)
        first, second = first + y.sum(0), second + np.square(y).sum(0)
    variation = second - np.square(first) / n_samples
    there = variation > 0
    r2 = np.where(there, 1.0 - error / np.where(there, variation, 1.0), 0.0)
    return np.asarray(coefficients), np.asarray(r2)


def _chunks(
    least: NDArray[np.float64], most: NDArray[np.float64], n: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    for start in range(0, n, _CHUNK):
        yield rng.uniform(least, most, (min(_CHUNK, n - start), len(least)))


def _cosine_distances(z: NDArray[np.float64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(z, axis=1) * np.linalg.norm(direction)
    return np.asarray(1.0 - z @ direction / np.where(lengths > 0, lengths, 1.0))
