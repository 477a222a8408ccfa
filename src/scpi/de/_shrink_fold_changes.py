from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# Standard deviations of the prior, as natural logarithms of fold changes; the first is the spike
SCALES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
# Estimates from which the prior is learned, when weights have settled, and estimates at a time
_N_VALUES, _TOLERANCE, _BLOCK = 20_000, 1e-5, 1 << 17


@dataclass(frozen=True, kw_only=True)
class ShrunkenFoldChanges:
    """Posterior of fold changes, in the shape of the estimates."""

    effect: NDArray[np.float64]
    """Posterior mean."""
    std_dev: NDArray[np.float64]
    """Posterior standard deviation."""
    probability: NDArray[np.float64]
    """Posterior probability that an effect is not zero."""
    false_sign_rate: NDArray[np.float64]
    """Posterior probability that an effect does not have its more probable sign (local false sign rate)."""
    scales: NDArray[np.float64]
    """Standard deviations of the components of the prior."""
    weights: NDArray[np.float64]
    """Weights of the components, learned from all estimates."""


def shrink_fold_changes(
    estimate: ArrayLike, std_error: ArrayLike, *, scales: ArrayLike = SCALES, max_iter: int = 200
) -> ShrunkenFoldChanges:
    r"""Shrink log fold changes towards zero by empirical Bayes, with a prior learned from all of them.

    An estimate is :math:`y_i = f_i + s_i \epsilon_i`, and the prior of the effects is :math:`f_i \sim \sum_m w_m
    \mathcal{N}(0, \tau_m^2)` with :math:`\tau_0 = 0`. Its weights are learned by maximum marginal likelihood (empirical Bayes),
    and the posterior is a mixture of normal distributions: adaptive shrinkage (Stephens, Biostatistics 18, 2017). For
    effects of groups relative to an unknown baseline, see :func:`scpi.de.shrink_effects`.

    Parameters
    ----------
    estimate
        Fold changes, as natural logarithms, of any shape.
    std_error
        Standard errors of the estimates, of the same shape, above zero.
    scales
        Standard deviations :math:`\tau` of the components of the prior, the first 0.
    max_iter
        Maximum number of iterations for learning the weights.

    Returns
    -------
    Posterior means, standard deviations and probabilities.

    Raises
    ------
    ValueError
        If shapes differ, the arrays are empty, a value is not finite or a standard error is not above zero.

    Examples
    --------
    >>> from scpi.de import shrink_fold_changes
    >>> shrunken = shrink_fold_changes([3.0, 0.1, 0.0, 3.0], [0.1, 0.1, 0.1, 3.0])
    >>> bool(shrunken.effect[0] > 2.9), bool(shrunken.effect[3] < shrunken.effect[0])
    (True, True)
    """
    y, s = np.asarray(estimate, dtype=np.float64), np.asarray(std_error, dtype=np.float64)
    tau = np.asarray(scales, dtype=np.float64)
    _check(y, s, tau)
    variance = s.ravel() ** 2
    weights = _learn_weights(y.ravel(), variance, tau, max_iter)
    found = np.empty((4, y.size))
    for start in range(0, y.size, _BLOCK):
        at = slice(start, start + _BLOCK)
        found[:, at] = _posterior(y.ravel()[at], variance[at], tau, weights)
    effect, std_dev, null, wrong = found.reshape(4, *y.shape)
    return ShrunkenFoldChanges(
        effect=effect, std_dev=std_dev, probability=1.0 - null, false_sign_rate=wrong, scales=tau, weights=weights
    )


def _check(y: NDArray[np.float64], s: NDArray[np.float64], tau: NDArray[np.float64]) -> None:
    if y.shape != s.shape or not y.size:
        msg = f"`estimate` and `std_error` must have one shape, and not be empty, but have {y.shape} and {s.shape}."
        raise ValueError(msg)
    check_values(y, s, tau)


def check_values(y: NDArray[np.float64], s: NDArray[np.float64], tau: NDArray[np.float64]) -> None:
    """Raise an error unless estimates and their standard errors are finite, and scales begin with the spike."""
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        msg = "`estimate` and `std_error` must be finite, and `std_error` above zero."
        raise ValueError(msg)
    if tau.ndim != 1 or len(tau) < 2 or tau[0] != 0 or (tau[1:] <= 0).any():
        msg = f"`scales` must be 0 and at least one positive number, but is {tau.tolist()}."
        raise ValueError(msg)


def first_weights(n_components: int) -> NDArray[np.float64]:
    """Weights of the prior that learning begins with: most of it is the spike."""
    weights = np.full(n_components, 0.2 / (n_components - 1))
    weights[0] = 0.8
    return weights


def _log_densities(
    y: NDArray[np.float64], variance: NDArray[np.float64], tau: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithms of the marginal densities under each component, up to a constant, estimates x components."""
    spread = variance[:, None] + tau**2
    return np.asarray(-0.5 * (y[:, None] ** 2 / spread + np.log(spread)))


def _learn_weights(
    y: NDArray[np.float64], variance: NDArray[np.float64], tau: NDArray[np.float64], max_iter: int
) -> NDArray[np.float64]:
    """Expectation and maximisation, on estimates spread over all of them."""
    chosen = np.linspace(0, len(y) - 1, min(_N_VALUES, len(y))).astype(np.intp)
    log_density = _log_densities(y[chosen], variance[chosen], tau)
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    weights = first_weights(len(tau))
    for _ in range(max_iter):
        mixed = density * weights
        counted = (mixed / mixed.sum(axis=1, keepdims=True)).sum(axis=0)
        # One observation for the spike: a data set without any effect keeps the weights of large ones at zero
        counted[0] += 1.0
        new = counted / counted.sum()
        done = np.abs(new - weights).max() < _TOLERANCE
        weights = new
        if done:
            break
    return weights


def _posterior(
    y: NDArray[np.float64], variance: NDArray[np.float64], tau: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """Mean, standard deviation, probability of the spike and of the less likely sign or zero."""
    log_density = _log_densities(y, variance, tau)
    part = weights * np.exp(log_density - log_density.max(axis=1, keepdims=True, where=weights > 0, initial=-np.inf))
    part /= part.sum(axis=1, keepdims=True)
    shrinkage = tau**2 / (variance[:, None] + tau**2)
    mean, own = shrinkage * y[:, None], shrinkage * variance[:, None]
    effect = (part * mean).sum(axis=1)
    std_dev = np.sqrt((part * (own + (mean - effect[:, None]) ** 2)).sum(axis=1))
    # Every component has the sign of the estimate
    right = (part[:, 1:] * special.ndtr(np.abs(mean[:, 1:]) / np.sqrt(own[:, 1:]))).sum(axis=1)
    return effect, std_dev, part[:, 0], np.maximum(1.0 - right, 0.0)
