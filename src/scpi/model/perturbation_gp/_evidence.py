"""Weights of kernels and strength of a Gaussian process, by the evidence of the data for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_STARTS = (-2.0, 0.0)
_BOUNDS = (-7.0, 3.0)
# Standard deviation of the prior of the logarithms of the weights: few perturbations cannot tell many sources apart
_PRIOR = 0.5
_MAX_ITERATIONS = 100


class Hyperparameters(NamedTuple):
    """How much each source of features counts, and all of them against what is special about each perturbation."""

    weights: NDArray[np.float64]
    """One per kernel, with a sum of 1."""
    strength: float
    """Variance that the features explain, in units of the variance that they do not."""


def centred_scale(kernel: NDArray[np.float64]) -> float:
    """Mean variance of a process with this kernel about its mean; 0 where the kernel tells no points apart."""
    n = len(kernel)
    found = float((np.trace(kernel) - kernel.sum() / n) / (n - 1))
    return found if found > 1e-9 else 0.0


def learn(
    kernels: Sequence[NDArray[np.float64]],
    scores: NDArray[np.float64],
    noise: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> Hyperparameters:
    """Weights of kernels and the strength with the largest evidence, of scores (points x components) with a common mean.

    It is the restricted likelihood, whatever the scale of each component is. Components move together, as all of them are
    the responses of the same cells: they count as one by their ``importance`` (with a sum of 1). The weights have a
    log-normal prior around being equal.
    """

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        strength, weights = float(np.exp(parameters[0])), softmax(parameters[1:])
        value, slopes = _deviance(strength, weights, kernels, scores, noise, importance)
        total = float(weights @ slopes)
        gradient = np.concatenate([[strength * total], strength * weights * (slopes - total)])
        prior = parameters[1:] / _PRIOR**2
        return value + float(prior @ parameters[1:]) / 2.0, gradient + np.concatenate([[0.0], prior])

    limits = [_BOUNDS, *[(-8.0, 8.0)] * len(kernels)]
    found = [
        minimize(
            objective,
            np.concatenate([[start], np.zeros(len(kernels))]),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options={"maxiter": _MAX_ITERATIONS},
        )
        for start in _STARTS
    ]
    best = min(found, key=lambda one: float(one.fun)).x
    return Hyperparameters(softmax(best[1:]), float(np.exp(best[0])))


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive numbers with a sum of 1, from their logarithms."""
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


def projection(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a covariance, less what a common mean takes: its product with scores is free of their mean."""
    inverse = cho_solve(cho_factor(covariance, lower=True), np.eye(len(covariance)))
    sums = inverse.sum(axis=1)
    return np.asarray(inverse - np.outer(sums, sums) / sums.sum())


def _deviance(
    strength: float,
    weights: NDArray[np.float64],
    kernels: Sequence[NDArray[np.float64]],
    scores: NDArray[np.float64],
    noise: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Negative logarithm of the evidence, and its derivative by the covariance in the direction of each kernel."""
    n = len(scores)
    combined = sum(weight * kernel for weight, kernel in zip(weights, kernels, strict=True))
    covariance = strength * np.asarray(combined) + np.diag(1.0 + noise)
    factor = cho_factor(covariance, lower=True)
    inverse = cho_solve(factor, np.eye(n))
    sums = inverse.sum(axis=1)
    precision = float(sums.sum())
    inverse -= np.outer(sums, sums) / precision
    dual = inverse @ scores
    quadratic = np.maximum((scores * dual).sum(axis=0), 1e-300)
    log_determinant = 2.0 * np.log(np.diag(factor[0])).sum() + np.log(precision)
    value = ((n - 1) * (importance @ np.log(quadratic)) + log_determinant) / 2.0
    pull = dual * np.sqrt(importance / quadratic)
    slopes = [((inverse * kernel).sum() - (n - 1) * (pull * (kernel @ pull)).sum()) / 2.0 for kernel in kernels]
    return float(value), np.array(slopes)
