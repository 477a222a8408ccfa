"""Maximum likelihood of the zero-inflated negative binomial distribution, many genes at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.de._tally import Tally

_N_STEPS = 60
_TOLERANCE = 1e-7
_ROUNDING = 1e-9
_N_SHORTER = 8
_SMALL = 1e-4
# A probability of zero that is smaller counts as this one
_NEVER = 1e-40
# Largest log(1 + overdispersion) and zero inflation, and the longest step in each parameter
_UPPER = np.array([np.inf, np.log(1e4), 1.0 - 1e-6])
_LOWER = np.array([-np.inf, 0.0, 0.0])
_LONGEST = np.array([1.5, 1.5, 0.4])
_BLOCK = 1024


@dataclass(frozen=True)
class Fit:
    """Parameters, 3 x genes, and log-likelihood up to what depends on the counts alone."""

    theta: NDArray[np.float64]
    """Logarithm of the mean at a size factor of 1, log(1 + overdispersion), and zero inflation."""
    log_likelihood: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the counts at a size factor of 1, the zero-inflated ones included."""
        return np.asarray(np.exp(self.theta[0]) * (1.0 - self.theta[2]))


def fit(data: Tally, start: NDArray[np.float64]) -> Fit:
    """Climb from the start, 3 x genes, to the next maximum of the likelihood of each gene."""
    theta, reached = start.copy(), np.empty(data.n_genes)
    # Genes of alike counts together, so that few of them wait for the longest sums
    order = np.argsort((data.above > 0).sum(axis=1), kind="stable")
    for first in range(0, data.n_genes, _BLOCK):
        genes = order[first : first + _BLOCK]
        theta[:, genes], reached[genes] = _climb(data.take(genes), theta[:, genes])
    return Fit(theta, reached)


def fit_from_counts(data: Tally) -> Fit:
    """Fit from two starts, one that explains the zeros by overdispersion and one by inflation, and keep the better."""
    n = (data.zeros + data.found).sum(axis=1)
    exposure = (data.zeros + data.found) @ data.depth
    squares = (data.zeros + data.found) @ data.depth**2
    rate = np.maximum(data.total.sum(axis=1), 0.5) / exposure
    pairs = 2.0 * data.above @ np.arange(1, data.above.shape[1] + 1) if data.above.shape[1] else np.zeros(len(n))
    overdispersion = np.clip(pairs / (rate**2 * squares) - 1.0, 0.01, 100.0)
    inflated = 0.5 * data.zeros.sum(axis=1) / n
    fits = [
        fit(data, np.array(start))
        for start in (
            [np.log(rate), np.log1p(overdispersion), 0.01 * inflated],
            [np.log(rate / (1.0 - inflated)), np.log1p(0.2 * overdispersion), inflated],
        )
    ]
    better = fits[1].log_likelihood > fits[0].log_likelihood
    return Fit(
        np.where(better, fits[1].theta, fits[0].theta), np.where(better, fits[1].log_likelihood, fits[0].log_likelihood)
    )


def _climb(data: Tally, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's method within the bounds, each gene with its own step length, until no gene gains."""
    result, reached = theta.copy(), log_likelihood(data, theta)
    active = np.arange(data.n_genes)
    part, theta, value = data, theta.copy(), reached.copy()
    stuck = np.zeros(len(active), dtype=bool)
    for _ in range(_N_STEPS):
        step, promise = _step(part, theta)
        going = (promise > _TOLERANCE) & ~stuck
        if not going.any():
            break
        if going.mean() < 0.8:
            chosen = np.flatnonzero(going)
            part, active = part.take(chosen), active[chosen]
            theta, value, step, stuck = theta[:, chosen], value[chosen], step[:, chosen], stuck[chosen]
        theta, value, stuck = _search(part, theta, value, step)
        result[:, active], reached[active] = theta, value
    return result, reached


def _search(
    data: Tally, theta: NDArray[np.float64], value: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Parameters and log-likelihood after the longest step that gains, and which genes found none."""
    theta, value = theta.copy(), value.copy()
    left = np.arange(data.n_genes)
    length = 1.0
    for _ in range(_N_SHORTER):
        new = np.clip(theta[:, left] + length * step[:, left], _LOWER[:, None], _UPPER[:, None])
        found = log_likelihood(data if len(left) == data.n_genes else data.take(left), new)
        better = found >= value[left] - _ROUNDING
        theta[:, left[better]], value[left[better]] = new[:, better], found[better]
        left = left[~better]
        if len(left) == 0:
            break
        length *= 0.2
    stuck = np.zeros(data.n_genes, dtype=bool)
    stuck[left] = True
    return theta, value, stuck


def log_likelihood(data: Tally, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-likelihood of each gene, without the term of the counts alone and that of their depth."""
    a, inflation = np.expm1(theta[1])[:, None], theta[2]
    m = np.exp(theta[0])[:, None] * data.depth
    spread = np.log1p(a * m)
    u = _over(spread, a, m)
    e = np.exp(-u)
    value = data.total.sum(axis=1) * theta[0] - (data.total * spread + data.found * u).sum(axis=1)
    zero = np.maximum(inflation[:, None] + (1.0 - inflation[:, None]) * e, _NEVER)
    value += (data.zeros * np.log(zero)).sum(axis=1) + data.found.sum(axis=1) * np.log1p(-inflation)
    k = np.arange(1, data.above.shape[1] + 1)
    value += (data.above * np.log1p(a * k)).sum(axis=1)
    if len(data.large[0]):
        value += _large_terms(data, a[:, 0])[0]
    return value


def _over(spread: NDArray[np.float64], a: NDArray[np.float64], m: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(1 + a m) / a, which is m at a = 0."""
    small = a * m < 1e-8
    return np.where(small, m, spread / np.where(a > 0, a, 1.0))


def _step(data: Tally, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step of each gene, 3 x genes, and the gain that it promises."""
    gradient, hessian = _derivatives(data, theta)
    blocked = ((theta <= _LOWER[:, None]) & (gradient < 0)) | ((theta >= _UPPER[:, None]) & (gradient > 0))
    gradient = np.where(blocked, 0.0, gradient)
    free = (~blocked).T.astype(np.float64)
    curvature = -hessian * free[:, :, None] * free[:, None, :]
    # In units in which the curvature of each parameter is 1
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.einsum("gii->gi", curvature)), 1e-8))
    values, vectors = np.linalg.eigh(curvature * scale[:, :, None] * scale[:, None, :])
    along = np.einsum("gij,gi->gj", vectors, gradient.T * scale)
    # Uphill also where the likelihood is not concave
    along /= np.maximum(np.abs(values), 1e-3)
    step = np.clip(np.einsum("gij,gj->gi", vectors, along) * scale, -_LONGEST, _LONGEST).T
    moved = np.clip(theta + step, _LOWER[:, None], _UPPER[:, None]) - theta
    return step, np.where(blocked, 0.0, gradient * moved).sum(axis=0)


def _derivatives(data: Tally, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First, 3 x genes, and second derivatives, genes x 3 x 3, of the log-likelihood."""
    a, inflation = np.expm1(theta[1])[:, None], theta[2][:, None]
    m = np.exp(theta[0])[:, None] * data.depth
    total, found, zeros = data.total, data.found, data.zeros
    one = 1.0 + a * m
    u, q = _over(np.log1p(a * m), a, m), m / one
    # Derivatives of u, the minus logarithm of the probability of zero, by log mean (m) and overdispersion (a)
    small = a * m < _SMALL
    safe = np.where(small, 1.0, a)
    u_m = q
    u_a = np.where(small, -(m**2) / 2.0 + 2.0 * a * m**3 / 3.0, (q - u) / safe)
    u_mm, u_ma = q / one, -(q**2)
    u_aa = np.where(small, 2.0 * m**3 / 3.0 - 1.5 * a * m**4, (-(q**2) - 2.0 * u_a) / safe)

    e = np.exp(-u)
    zero = np.maximum(inflation + (1.0 - inflation) * e, _NEVER)
    w = (1.0 - inflation) * e / zero
    weight = found + zeros * w
    bend = zeros * w * (1.0 - w)
    k = np.arange(1, data.above.shape[1] + 1)
    ratio = k / (1.0 + a * k)
    d_a = (data.above * ratio).sum(axis=1)
    d_aa = -(data.above * ratio**2).sum(axis=1)
    if len(data.large[0]):
        _, first, second = _large_terms(data, a[:, 0])
        d_a, d_aa = d_a + first, d_aa + second

    n_genes = data.n_genes
    gradient, hessian = np.empty((3, n_genes)), np.empty((n_genes, 3, 3))
    gradient[0] = (total / one - weight * u_m).sum(axis=1)
    by_a = d_a - (total * q + weight * u_a).sum(axis=1)
    lift = (1.0 - e) / zero
    positive = found.sum(axis=1) / (1.0 - theta[2])
    gradient[2] = (zeros * lift).sum(axis=1) - positive
    hessian[:, 0, 0] = (-total * a * m / one**2 - weight * u_mm + bend * u_m**2).sum(axis=1)
    cross = (-total * m / one**2 - weight * u_ma + bend * u_m * u_a).sum(axis=1)
    by_aa = d_aa + (total * q**2 - weight * u_aa + bend * u_a**2).sum(axis=1)
    tilt = zeros * e / zero**2
    hessian[:, 2, 2] = -(zeros * lift**2).sum(axis=1) - positive / (1.0 - theta[2])
    hessian[:, 0, 2] = hessian[:, 2, 0] = (tilt * u_m).sum(axis=1)
    # From overdispersion to the logarithm of one more
    chain = 1.0 + a[:, 0]
    gradient[1] = chain * by_a
    hessian[:, 1, 1] = chain**2 * by_aa + chain * by_a
    hessian[:, 0, 1] = hessian[:, 1, 0] = chain * cross
    hessian[:, 1, 2] = hessian[:, 2, 1] = chain * (tilt * u_a).sum(axis=1)
    return gradient, hessian


def _large_terms(data: Tally, overdispersion: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Sum of log(1 + a k) over k from `width` to below each large count, and its derivatives, per gene.

    By the Euler-Maclaurin formula at the midpoints, which is exact to 1e-8 from k = 64 on.
    """
    gene, count, weight = data.large
    low = data.above.shape[1] + 1.0
    a = np.maximum(overdispersion, 1e-5)[gene]
    terms: list[Any] = [0.0, 0.0, 0.0]
    for t, sign in ((count - 0.5, 1.0), (np.full_like(count, low - 0.5), -1.0)):
        x = a * t
        log = np.log1p(x)
        value = ((1.0 + x) * log - x) / a
        first = (t * log - value) / a
        second = (t**2 / (1.0 + x) - 2.0 * first) / a
        inverse = 1.0 / (1.0 + x)
        terms[0] = terms[0] + sign * (value - a * inverse / 24.0)
        terms[1] = terms[1] + sign * (first - inverse**2 / 24.0)
        terms[2] = terms[2] + sign * (second + 2.0 * t * inverse**3 / 24.0)
    return tuple(
        np.asarray(np.bincount(gene, weights=weight * term, minlength=data.n_genes), dtype=np.float64) for term in terms
    )
