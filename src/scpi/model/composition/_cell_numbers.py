"""Negative binomial regression of numbers of cells, with predictions that hold for groups that were not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import optimize, special

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_PENALTIES = np.logspace(-2, 3, 11)
_MAX_STEPS = 50
_LARGEST = 30.0
_LEAST_SIZE, _LARGEST_SIZE = 1e-2, 1e6


class CellNumbers(NamedTuple):
    """Fitted regression, whose size is that of groups left out."""

    intercept: float
    coefficients: Floats
    size: float
    """Size of the negative binomial distribution: the variance is ``mean + mean**2 / size``."""
    penalty: float
    log_likelihood: float
    """Of each training group when it is left out, summed."""

    def mean(self, x: Floats, exposure: Floats) -> Floats:
        """Expected numbers of cells."""
        return np.asarray(exposure * np.exp(self.intercept + x @ self.coefficients))

    def draw(self, x: Floats, exposure: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of cells."""
        return draw_numbers(self.mean(x, exposure), self.size, rng)


def fit_cell_numbers(x: Floats, y: Floats, exposure: Floats) -> CellNumbers:
    """Fit numbers of cells `y` of groups to indicators `x` (groups x columns), with a ridge penalty on all but the intercept.

    The penalty and the size are those of the largest likelihood of every group when it is left out, by the leverages of
    the last step: a size that was fitted to the groups themselves would promise too little spread for others.
    """
    candidates = [_fit(x, y, exposure, float(penalty)) for penalty in _PENALTIES]
    return max(candidates, key=lambda fitted: fitted.log_likelihood)


def draw_numbers(mean: Floats, size: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Negative binomial numbers of these means."""
    return np.asarray(rng.poisson(mean * rng.gamma(size, 1.0 / size, np.shape(mean))))


def log_likelihood(y: Floats, mean: Floats, size: float) -> Floats:
    """Negative binomial log-likelihood of each number."""
    mean = np.maximum(mean, 1e-10)
    return np.asarray(
        special.gammaln(y + size)
        - special.gammaln(size)
        - special.gammaln(y + 1.0)
        - size * np.log1p(mean / size)
        - y * np.log1p(size / mean)
    )


def best_size(y: Floats, mean: Floats) -> float:
    """The size of the largest likelihood, given the means."""
    found = optimize.minimize_scalar(
        lambda log_size: -log_likelihood(y, mean, float(np.exp(log_size))).sum(),
        bounds=(np.log(_LEAST_SIZE), np.log(_LARGEST_SIZE)),
        method="bounded",
    )
    return float(np.exp(found.x))


def poisson_deviance(y: Floats, mean: Floats) -> Floats:
    """Deviance of each number: how much better it would be predicted by itself, which needs no size."""
    return np.asarray(2.0 * (special.xlogy(y, y / np.maximum(mean, 1e-10)) - (y - mean)))


def _fit(x: Floats, y: Floats, exposure: Floats, penalty: float) -> CellNumbers:
    size, beta = 10.0, np.zeros(x.shape[1] + 1)
    beta[0] = np.log(max(y.sum(), 0.5) / exposure.sum())
    for _ in range(2):
        beta, left_out = _solve(x, y, exposure, size, penalty, beta)
        size = best_size(y, left_out)
    return CellNumbers(float(beta[0]), beta[1:], size, penalty, float(log_likelihood(y, left_out, size).sum()))


def _solve(x: Floats, y: Floats, exposure: Floats, size: float, penalty: float, start: Floats) -> tuple[Floats, Floats]:
    """Coefficients by iteratively reweighted least squares, and the mean of each group when it is left out."""
    design, beta, offset = np.column_stack([np.ones(len(x)), x]), start, np.log(exposure)
    ridge = np.diag(np.r_[0.0, np.full(x.shape[1], penalty)])
    for _ in range(_MAX_STEPS):
        mean = np.exp(np.clip(offset + design @ beta, -_LARGEST, _LARGEST))
        weight = mean / (1.0 + mean / size)
        gram = design.T @ (weight[:, None] * design) + ridge
        step = np.linalg.solve(gram, design.T @ (weight * (y - mean) / mean) - ridge @ beta)
        # The largest change of a logarithm in one step
        beta = beta + step * min(1.0, 2.0 / max(1e-12, np.abs(design @ step).max()))
        if np.abs(step).max() < 1e-8:
            break
    predictor = offset + design @ beta
    mean = np.exp(np.clip(predictor, -_LARGEST, _LARGEST))
    weight = mean / (1.0 + mean / size)
    gram = design.T @ (weight[:, None] * design) + ridge
    leverage = weight * np.einsum("ij,ij->i", design, np.linalg.solve(gram, design.T).T)
    ratio = leverage / np.maximum(1.0 - leverage, 1e-3)
    left_out = predictor - ratio * (y - mean) / mean
    return beta, np.exp(np.clip(left_out, -_LARGEST, _LARGEST))
