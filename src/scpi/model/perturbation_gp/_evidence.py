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
_LIMITS = (-8.0, 8.0)
# Standard deviation of the prior of the logarithms of the weights: few perturbations cannot tell many sources apart
_PRIOR = 0.5
_MAX_ITERATIONS = 100


class Hyperparameters(NamedTuple):
    """Variances explained by each source of features, relative to the specific variance of each perturbation."""

    weights: NDArray[np.float64]
    """One per kernel, with a sum of 1."""
    strength: float
    """Variance that the features explain, in units of the variance that they do not."""


class Part(NamedTuple):
    """A kernel of a sum, and what its factor is the product of."""

    kernel: NDArray[np.float64]
    """Points x points."""
    term: int = 0
    """Number of its variance, which kernels of one term share."""
    source: int = -1
    """Number of the source of features whose weight counts for it; -1 where none does."""
    relation: int = -1
    """Number of the relation between contexts whose weight counts for it; -1 where none does."""


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
    """Weights of kernels and the strength with the largest evidence, as of :func:`learn_factors` with a single term."""
    parts = [Part(kernel, source=place) for place, kernel in enumerate(kernels)]
    factors = learn_factors(parts, scores, noise, importance)
    strength = float(factors.sum())
    return Hyperparameters(factors / strength, strength)


def learn_factors(
    parts: Sequence[Part],
    scores: NDArray[np.float64],
    noise: NDArray[np.float64],
    importance: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Factors of kernels with the largest evidence, of scores (points x components) with a common mean.

    It is the restricted likelihood, whatever the scale of each component is. Components move together, as all of them are
    the responses of the same cells: they count as one by their ``importance`` (with a sum of 1). A factor is the variance of a
    term, times the weights of a source and of a relation. The weights of each have a sum of 1, and a log-normal prior around being
    equal.
    """
    kernels = [part.kernel for part in parts]
    # One column for each parameter: the logarithms of the variances, then those of the weights
    of_term, *groups = (_indicators([getattr(part, name) for part in parts]) for name in ("term", "source", "relation"))
    n_terms, ends = of_term.shape[1], np.cumsum([of_term.shape[1], *[group.shape[1] for group in groups]])

    def split(parameters: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        return [parameters[first:last] for first, last in zip(ends[:-1], ends[1:], strict=True)]

    def factors_of(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.exp(of_term @ parameters[:n_terms])
        for group, logs in zip(groups, split(parameters), strict=True):
            used = group.any(axis=1)
            found[used] *= group[used] @ softmax(logs)
        return np.asarray(found)

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        factors = factors_of(parameters)
        value, slopes = _deviance(1.0, factors, kernels, scores, noise, importance)
        slopes = slopes * factors
        gradient = [slopes @ of_term]
        for group, logs in zip(groups, split(parameters), strict=True):
            along = slopes @ group
            gradient.append(along - along.sum() * softmax(logs) + logs / _PRIOR**2)
        return value + float(np.square(parameters[n_terms:]).sum()) / (2.0 * _PRIOR**2), np.concatenate(gradient)

    n_weights = int(ends[-1]) - n_terms
    found = [
        minimize(
            objective,
            np.concatenate([np.full(n_terms, start), np.zeros(n_weights)]),
            jac=True,
            method="L-BFGS-B",
            bounds=[_BOUNDS] * n_terms + [_LIMITS] * n_weights,
            options={"maxiter": _MAX_ITERATIONS},
        )
        for start in _STARTS
    ]
    return factors_of(min(found, key=lambda one: float(one.fun)).x)


def _indicators(codes: Sequence[int]) -> NDArray[np.float64]:
    """One column for each code that there is, but -1."""
    found = np.array(codes)
    return np.equal.outer(found, np.unique(found[found >= 0])).astype(np.float64)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positive numbers with a sum of 1, from their logarithms."""
    powers = np.exp(values - values.max(initial=0.0))
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
    # Derivative by each element of the covariance
    direction = (inverse - (n - 1) * pull @ pull.T) / 2.0
    return float(value), np.array([np.vdot(direction, kernel) for kernel in kernels])
