"""Choice of the number of components: as many as can be distinguished in held-out points."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import linalg, special
from sklearn.cluster import KMeans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_N_FOLDS = 3
# Numbers of components in a row without a gain, after which no more are tried
_PATIENCE = 3
# Standard errors of the difference that a gain has to exceed
_N_ERRORS = 2.0
# Points that are looked at
_MOST = 3000
_N_STARTS = 3
_N_ITERATIONS, _TOLERANCE = 100, 1e-3
# Points per dimension that the covariance of all components is worth in that of each
_WEIGHT_OF_COMMON = 4.0
_LEAST_VARIANCE = 1e-4


class Mixture(NamedTuple):
    """Gaussian mixture with covariances of any form."""

    weights: Floats
    """Weight of each component, (n_components,)."""
    means: Floats
    """Means, (n_components, n_dimensions)."""
    covariances: Floats
    """Covariances, (n_components, n_dimensions, n_dimensions)."""

    def log_density(self, points: Floats) -> Floats:
        """Logarithm of the weight times the density of each component, (n_points, n_components)."""
        found = np.empty((len(points), len(self.weights)))
        for place, (mean, covariance) in enumerate(zip(self.means, self.covariances, strict=True)):
            root = linalg.cholesky(covariance, lower=True)
            distance = np.square(linalg.solve_triangular(root, (points - mean).T, lower=True)).sum(0)
            found[:, place] = -0.5 * distance - np.log(np.diag(root)).sum()
        constant = 0.5 * points.shape[1] * np.log(2.0 * np.pi)
        return found + np.log(np.maximum(self.weights, 1e-12)) - constant


def find_mixture(
    points: NDArray[np.float32], n_components: int | None, *, most: int, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Means, variances and weights of a mixture of points, (n_points, n_dimensions), of so many components.

    If ``None``, their number is the smallest whose score is not significantly below the highest (two standard errors of the difference), in points
    that were left out, over folds. The score of a point is its log-density less the entropy of the probabilities of the components for it, so that
    components that overlap, as those of one group that is not Gaussian do, do not count as more. Covariances are of any form, and shrunk to their
    mean where components are small: with restricted ones, a group that is not round would be divided.
    """
    rng = np.random.default_rng(seed)
    chosen: Floats = points[np.sort(rng.permutation(len(points))[:_MOST])].astype(np.float64)
    n = find_number(chosen, most=most, seed=seed) if n_components is None else min(n_components, len(chosen))
    found = fit_mixture(chosen, n, seed=seed)
    return found.means, np.stack([np.diag(covariance) for covariance in found.covariances]), found.weights


def find_number(points: Floats, *, most: int, seed: int) -> int:
    """Number of components, at most ``most``; see :func:`find_mixture`."""
    folds = np.random.default_rng(seed).permutation(len(points)) % _N_FOLDS
    scores: list[Floats] = []
    for n in range(1, most + 1):
        if n > (folds != 0).sum() // 2:
            break
        score = np.empty(len(points))
        for fold in range(_N_FOLDS):
            left_out = folds == fold
            mixture = fit_mixture(points[~left_out], n, seed=seed)
            score[left_out] = classification_score(mixture.log_density(points[left_out]))
        scores.append(score)
        best = int(np.argmax([values.mean() for values in scores]))
        if len(scores) - 1 - best >= _PATIENCE:
            break
    best = int(np.argmax([values.mean() for values in scores])) if scores else 0
    for place, values in enumerate(scores):
        gain = scores[best] - values
        if gain.mean() <= _N_ERRORS * gain.std() / len(points) ** 0.5:
            return place + 1
    return 1


def classification_score(joint: Floats) -> Floats:
    """Log-density of points less the entropy of their components, (n_points,), for the log-density of each component.

    Its sum is the integrated completed likelihood without the penalty, which points that were left out do not need.
    """
    probability = special.softmax(joint, axis=1)
    entropy = special.entr(probability).sum(1)
    return np.asarray(special.logsumexp(joint, axis=1) - entropy, dtype=np.float64)


def fit_mixture(points: Floats, n_components: int, *, seed: int) -> Mixture:
    """Mixture of so many components: the most likely of some, each by expectation maximisation from k-means."""
    found = [_fit_from(points, n_components, seed + start) for start in range(_N_STARTS if n_components > 1 else 1)]
    return max(found, key=lambda pair: pair[1])[0]


def _fit_from(points: Floats, n_components: int, seed: int) -> tuple[Mixture, float]:
    """Mixture from one start, and its mean log-density."""
    n, n_dimensions = points.shape
    start = KMeans(min(n_components, n), n_init=1, random_state=seed).fit_predict(points)
    floor = _LEAST_VARIANCE * points.var() * np.eye(n_dimensions)
    mixture, before = _maximise(points, np.eye(n_components)[start], floor), -np.inf
    for _ in range(_N_ITERATIONS):
        joint = mixture.log_density(points)
        total = special.logsumexp(joint, axis=1)
        if total.mean() - before < _TOLERANCE:
            break
        before = float(total.mean())
        mixture = _maximise(points, np.exp(joint - total[:, None]), floor)
    return mixture, before


def _maximise(points: Floats, responsibility: Floats, floor: Floats) -> Mixture:
    """Mixture for the probabilities of the components of each point."""
    sizes = responsibility.sum(0)
    means = (responsibility.T @ points) / np.maximum(sizes, 1e-12)[:, None]
    scatters = np.stack(
        [
            (weight[:, None] * (points - mean)).T @ (points - mean)
            for weight, mean in zip(responsibility.T, means, strict=True)
        ]
    )
    common = scatters.sum(0) / len(points)
    prior = _WEIGHT_OF_COMMON * points.shape[1]
    covariances = (scatters + prior * common) / (sizes + prior)[:, None, None] + floor
    return Mixture(sizes / len(points), means, covariances)
