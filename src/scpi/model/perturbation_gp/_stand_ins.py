"""Perturbations that were never measured as mixtures of measured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._effects import Prediction, TrainingEffects

# Weight of what keeps the mixture near that of all perturbations, relative to the variance of the scores
_RIDGE = 1e-3
_NEGLIGIBLE = 1e-3


def known_scores(data: TrainingEffects, found: Prediction) -> NDArray[np.float64]:
    """Deviations of the effects of the known perturbations from their mean, along the axes of a prediction."""
    return np.asarray((data.effects - data.effects.mean(axis=0)) @ np.linalg.pinv(found.axes))


def mixture(scores: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of known perturbations, none below zero, whose mixture has the ``wanted`` deviation from their mean.

    ``scores`` are the deviations of the known perturbations, (n_known, n_components). Of the many mixtures, the one that
    is nearest to equal weights, which is the mean itself where nothing is wanted. Weights below 0.001 are left out.
    """
    n = len(scores)
    equal = np.full(n, 1.0 / n)
    if not wanted.any():
        return equal
    ridge = np.sqrt(_RIDGE * np.square(scores).sum(axis=1).mean())
    # The sum of the weights is held at 1: the mean effect is part of each
    total = np.full((1, n), np.sqrt(np.square(scores).sum()))
    left = np.vstack([scores.T, total, ridge * np.eye(n)])
    weights, _ = nnls(left, np.concatenate([wanted, total[0, :1], ridge * equal]))
    weights[weights < _NEGLIGIBLE] = 0.0
    return np.asarray(weights)
