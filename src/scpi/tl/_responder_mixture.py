"""Mixture of control-like and responding cells of a perturbation along the direction of its change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.covariance import LedoitWolf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

MAX_ITERATIONS = 300
TOLERANCE = 1e-7
# Smallest standard deviation of the responders, relative to the controls, so that a few equal cells are not a group
SMALLEST_SD = 0.5
# Fractions at which the likelihood is computed for the interval, and half the 95 % quantile of chi-squared
FRACTIONS = np.linspace(0.01, 0.99, 50)
LIKELIHOOD_DROP = 1.92
HALF_LOG_TAU = 0.5 * float(np.log(2 * np.pi))


class ResponderMixture(NamedTuple):
    """Responders among the cells of a perturbation."""

    probability: NDArray[np.float64]
    """Probability that each cell responds."""
    fraction: float
    """Fraction of the cells that respond."""
    fraction_low: float
    """Lower end of the 95 % interval: the smallest fraction that explains the cells almost as well."""
    fraction_high: float
    """Upper end of the 95 % interval."""
    shift: float
    """Mean of the responders along the direction, in standard deviations of the controls; NaN if there are none."""
    evidence: float
    """Gain in log-likelihood by the responders, minus their penalty in the Bayesian information criterion.

    The gain is discounted for the noise of the controls.
    """


def whiten(controls: ArrayLike) -> NDArray[np.float64]:
    """Compute the matrix that whitens control cells, by their covariance with Ledoit-Wolf shrinkage."""
    covariance = LedoitWolf().fit(np.asarray(controls, dtype=np.float64)).covariance_
    values, vectors = np.linalg.eigh(covariance)
    kept = values > 1e-12 * max(float(values.max()), 1e-300)
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def held_out_projections(
    perturbed: ArrayLike, controls: ArrayLike, n_folds: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project cells on the difference between the means of perturbed and control cells.

    The difference for the cells of a fold is estimated on the other folds. Cells that differ from the controls only by
    noise do not lie in its direction.
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
    """Fit a mixture of two normal distributions to the projections of perturbed cells; one is that of the controls.

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
    none = ResponderMixture(np.zeros(len(np.asarray(perturbed))), 0.0, 0.0, 0.0, np.nan, 0.0)
    if not sd > 0:
        return none
    x = (np.asarray(perturbed, dtype=np.float64) - mean) / sd
    control = -0.5 * x**2 - HALF_LOG_TAU
    climbed = _climb(x, control, *_starts(x), is_fixed=False)
    likelihood, fraction, centre, responsibility = (part[int(climbed[0].argmax())] for part in climbed)
    # The mean of the controls has a standard error; a gain that only compensates for it does not count
    evidence = float(likelihood - control.sum()) / (1 + len(x) / len(y)) - 1.5 * float(np.log(len(x)))
    if evidence <= 0 or fraction * len(x) < 1:
        return none._replace(evidence=min(evidence, 0.0))
    # A cell on the other side of the controls is not a responder, however wide their distribution is
    probability = np.where(x < 0, 0.0, responsibility)
    low, high = _interval(x, control, float(likelihood), float(fraction))
    return ResponderMixture(probability, float(fraction), low, high, float(centre), evidence)


def _interval(
    x: NDArray[np.float64], control: NDArray[np.float64], likelihood: float, fraction: float
) -> tuple[float, float]:
    """Find the interval of fractions whose profile likelihood is close to the maximum."""
    mean = np.maximum(np.quantile(x, 1 - FRACTIONS / 2), 0.1)
    of_fraction, *_ = _climb(x, control, FRACTIONS, mean, np.ones_like(mean), is_fixed=True)
    close = np.append(FRACTIONS[of_fraction >= likelihood - LIKELIHOOD_DROP], fraction)
    # The ends of the grid represent all fractions beyond them
    low, high = float(close.min()), float(close.max())
    return 0.0 if low <= FRACTIONS[0] else low, 1.0 if high >= FRACTIONS[-1] else high


def _starts(x: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Choose starting fractions, means and standard deviations: most, half and few of the cells."""
    ordered, shares = np.sort(x), (0.95, 0.5, 0.1)
    tops = [ordered[int((1 - share) * len(x)) :] for share in shares]
    means, sds = np.array([top.mean() for top in tops]), np.array([top.std() for top in tops])
    return [np.array(shares), np.maximum(means, 0.1), np.maximum(sds, SMALLEST_SD)]


def _climb(
    x: NDArray[np.float64],
    control: NDArray[np.float64],
    fraction: NDArray[np.float64],
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    *,
    is_fixed: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Run expectation maximisation from several starts at once.

    ``control`` is the log-density of the controls at each cell. The fractions stay fixed if ``is_fixed``. Returns the
    log-likelihoods, fractions and means, and the responsibilities, starts x cells.
    """
    last = np.full(len(fraction), -np.inf)
    for _ in range(MAX_ITERATIONS):
        place = (x - mean[:, None]) / sd[:, None]
        changed = np.log(fraction / sd)[:, None] - 0.5 * place**2 - HALF_LOG_TAU
        total = np.logaddexp(changed, np.log1p(-fraction)[:, None] + control)
        likelihood, responsibility = total.sum(axis=1), np.exp(changed - total)
        if (likelihood - last).max() < TOLERANCE * len(x):
            break
        last = likelihood
        weight = np.maximum(responsibility.sum(axis=1), 1e-12)
        fraction = fraction if is_fixed else np.clip(weight / len(x), 1e-6, 1 - 1e-6)
        mean = np.maximum(responsibility @ x / weight, 0.0)
        # Sum of squares around the mean, which may have been moved to 0
        squares = responsibility @ x**2 - 2 * mean * (responsibility @ x) + mean**2 * weight
        sd = np.maximum(np.sqrt(np.maximum(squares, 0) / weight), SMALLEST_SD)
    return likelihood, fraction, mean, responsibility
