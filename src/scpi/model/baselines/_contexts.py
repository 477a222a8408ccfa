"""Weights of the training contexts, which combine their changes for another context.

Functions named ``..._weights`` return weights that sum to 1, (n_contexts,). They take the means of the controls of the
training contexts and their changes, both contexts x genes, and the mean of the controls of the context to predict,
(n_genes,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.base.effects._regression import best_setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative to the median squared distance of the training contexts; the first is nearly the mean change
_BANDWIDTHS = tuple(float(value) for value in np.logspace(1, -1.5, 11))


def mean_of_conditions(design: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average values of pairs of condition and context, pairs x genes: over contexts, then over conditions."""
    _, condition = np.unique(design, axis=0, return_inverse=True)
    condition = condition.reshape(-1)
    weights = 1.0 / np.bincount(condition)[condition]
    return np.asarray(weights @ values / weights.sum())


def equal_weights(
    controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The same weight for every context."""
    return np.full(len(controls), 1.0 / len(controls))


def nearest_weights(
    controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """All the weight on the context with the most similar controls."""
    weights = np.zeros(len(controls))
    weights[np.argmin(_squared_distances(controls, control))] = 1.0
    return weights


def chosen_kernel_weights(
    controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of :func:`kernel_weights`, with the one of 11 bandwidths under which contexts predict each other best.

    With fewer than three contexts, all have the same weight.
    """
    n = len(controls)
    if n < 3:
        return equal_weights(controls, changes, control)
    between = [_squared_distances(controls[i + 1 :], controls[i]) for i in range(n - 1)]
    scale = float(np.median(np.concatenate(between)))
    settings = [scale * bandwidth for bandwidth in _BANDWIDTHS]
    return kernel_weights(controls, control, best_setting(settings, kernel_weights, controls, changes))


def kernel_weights(
    controls: NDArray[np.float64], control: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Weights that sum to 1 and fall with the squared distance to one point, in units of the bandwidth."""
    if bandwidth == 0:
        return np.full(len(controls), 1.0 / len(controls))
    squared = _squared_distances(controls, control)
    weights = np.exp(-(squared - squared.min()) / bandwidth)
    return np.asarray(weights / weights.sum())


def _squared_distances(controls: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distance of the profile of each context to a given profile."""
    return np.asarray(np.square(controls - control).sum(1))
