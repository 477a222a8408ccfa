"""Which cells of a perturbation respond: a mixture of control-like and changed cells along the direction of the change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special, stats
from sklearn.covariance import LedoitWolf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_ITERATIONS = 500
TOLERANCE = 1e-8
# Smallest standard deviation of the responders, in that of the controls: a few equal cells are no group
SMALLEST_SD = 0.5


class ResponderMixture(NamedTuple):
    """Responders among the cells of a perturbation."""

    probability: NDArray[np.float64]
    """Probability of each cell to respond."""
    fraction: float
    """Fraction of the cells that respond."""
    shift: float
    """Mean of the responders along the direction, in standard deviations of the controls; NaN if there are none."""
    evidence: float
    """Gain of the log-likelihood by the responders, less their cost in the Bayesian information criterion.

    The gain is discounted for the noise of the controls.
    """


def whiten(controls: ArrayLike) -> NDArray[np.float64]:
    """Matrix that makes the covariance of control cells, shrunk as of Ledoit and Wolf, the identity."""
    covariance = LedoitWolf().fit(np.asarray(controls, dtype=np.float64)).covariance_
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-12 * max(float(values.max()), 1e-300)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def held_out_projections(
    perturbed: ArrayLike, controls: ArrayLike, n_folds: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of cells on the difference of the means of perturbed and control cells.

    The difference for the cells of a fold is that of the cells of the other folds: cells that only noise sets apart
    from the controls do not lie in its direction.
    """
    x, y = np.asarray(perturbed, dtype=np.float64), np.asarray(controls, dtype=np.float64)
    n_folds = min(n_folds, len(x), len(y))
    folds = [rng.permutation(np.arange(len(cells)) % n_folds) for cells in (x, y)]
    along = [np.zeros(len(x)), np.zeros(len(y))]
    for fold in range(n_folds):
        start = y[folds[1] != fold].mean(axis=0)
        direction = x[folds[0] != fold].mean(axis=0) - start
        length = np.linalg.norm(direction)
        for cells, fold_of, out in zip((x, y), folds, along, strict=True):
            held_out = fold_of == fold
            out[held_out] = (cells[held_out] - start) @ (direction / length) if length > 0 else 0.0
    return along[0], along[1]


def fit_responders(perturbed: ArrayLike, controls: ArrayLike) -> ResponderMixture:
    """Fit a mixture of two normal distributions to positions of perturbed cells; one of them is that of the controls.

    The other has a larger mean. There are no responders unless the mixture explains the cells better than the controls
    alone, by the Bayesian information criterion.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = fit_responders(rng.permutation(np.r_[rng.normal(size=50), rng.normal(6, 1, 50)]), rng.normal(size=500))
    >>> round(found.fraction, 2)
    0.5
    """
    y = np.asarray(controls, dtype=np.float64)
    mean, sd = float(y.mean()), float(y.std(ddof=1))
    none = ResponderMixture(np.zeros(len(np.asarray(perturbed))), 0.0, np.nan, 0.0)
    if not sd > 0:
        return none
    x = (np.asarray(perturbed, dtype=np.float64) - mean) / sd
    control = stats.norm.logpdf(x)
    best = max((_climb(x, control, start) for start in _starts(x)), key=lambda found: found[0])
    likelihood, fraction, centre, responsibility = best
    # The mean of the controls is as uncertain as their number says, and a gain that large samples find in it is none
    evidence = float(likelihood - control.sum()) / (1 + len(x) / len(y)) - 1.5 * float(np.log(len(x)))
    if evidence <= 0 or fraction * len(x) < 1:
        return none._replace(evidence=min(evidence, 0.0))
    # A cell that lies on the other side of the controls is no responder, however wide these are
    probability = np.where(x < 0, 0.0, responsibility)
    return ResponderMixture(probability, float(fraction), float(centre), evidence)


def _starts(x: NDArray[np.float64]) -> list[tuple[float, float, float]]:
    """Fractions, means and standard deviations to start from: most, half and few of the cells."""
    ordered = np.sort(x)
    tops = [(share, ordered[int((1 - share) * len(x)) :]) for share in (0.95, 0.5, 0.1)]
    return [(share, max(float(top.mean()), 0.1), max(float(top.std()), SMALLEST_SD)) for share, top in tops]


def _climb(
    x: NDArray[np.float64], control: NDArray[np.float64], start: tuple[float, float, float]
) -> tuple[float, float, float, NDArray[np.float64]]:
    """Expectation maximisation: log-likelihood, fraction, mean of the responders and responsibilities."""
    fraction, mean, sd = start
    last = -np.inf
    responsibility = np.zeros(len(x))
    for _ in range(MAX_ITERATIONS):
        changed = np.log(fraction) + stats.norm.logpdf(x, mean, sd)
        total = np.logaddexp(changed, np.log1p(-fraction) + control)
        responsibility = special.expit(changed - np.log1p(-fraction) - control)
        likelihood = float(total.sum())
        if likelihood - last < TOLERANCE * len(x):
            break
        last = likelihood
        weight = max(float(responsibility.sum()), 1e-12)
        fraction = float(np.clip(weight / len(x), 1e-6, 1 - 1e-6))
        mean = max(float(responsibility @ x) / weight, 0.0)
        sd = max(float(np.sqrt(responsibility @ (x - mean) ** 2 / weight)), SMALLEST_SD)
    return likelihood, fraction, mean, responsibility
