"""Posterior variances of effects of perturbations, and their reduction by a measurement."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


# Perturbations whose covariances with all known ones are held at a time
_BLOCK = 2000


class EffectPosterior:
    """Posterior of the effects of some perturbations, given those that a model was trained on.

    Variances are those of one component of the effects, in units of the variance that is special to each perturbation: what features
    explain has the variance that is given here, and the effect itself has a variance that is larger by 1.

    Parameters
    ----------
    names
        The perturbations.
    sources
        Features of each source, perturbations x features, first those of ``names`` and then those of ``known``.
    factors
        Variance of what each source explains, by its name.
    known
        Perturbations that the model was trained on.
    noise
        Variance of the noise of each of these.
    size
        Root mean square of the expected change of each of ``names``.
    """

    own_variance = 1.0
    """Variance of what is special to a perturbation: only to measure it removes this."""

    def __init__(
        self,
        names: Sequence[str],
        sources: Mapping[str, Any],
        factors: Mapping[str, float],
        *,
        known: Sequence[str],
        noise: NDArray[np.float64],
        size: NDArray[np.float64],
    ) -> None:
        self.names, self.known = list(names), list(known)
        self.size = size
        self.noise = float(np.median(noise)) if len(noise) else 0.0
        n = len(self.names)
        self._all, self._measured = np.arange(n), np.arange(n, n + len(self.known))
        # Features times the root of their factor, so that products are covariances
        self._sources = [
            sources[name].astype(np.float64) * np.sqrt(factor) for name, factor in factors.items() if factor > 0
        ]
        diagonal = self._diagonal(factors, sources)
        self._prior_variance, self._known_variance = diagonal[:n], diagonal[n:]
        covariance = self._products(self._measured, self._measured)
        np.fill_diagonal(covariance, self._known_variance + self.own_variance + noise)
        self._factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        # What the unknown common mean adds to the variances
        self._ones = cho_solve((self._factor, True), np.ones(len(self.known)), check_finite=False)
        self._of_mean = (1.0 - self._times_known(self._ones[:, None])[:, 0]) / np.sqrt(self._ones.sum())

    @cached_property
    def variance(self) -> NDArray[np.float64]:
        """Posterior variance of what features explain of each perturbation."""
        parts = np.array_split(self._all, max(1, len(self._all) // _BLOCK))
        return np.concatenate([self.variance_of(part) for part in parts])

    def variance_of(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Posterior variances of some perturbations, as they take time where many were measured."""
        explained = solve_triangular(self._factor, self._products(self._measured, rows), lower=True, check_finite=False)
        left = self._prior_variance[rows] - np.square(explained).sum(axis=0) + np.square(self._of_mean[rows])
        return np.asarray(np.maximum(left, 0.0))

    def covariance(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Posterior covariance of what features explain of all perturbations and of some of them, all x some."""
        weights = cho_solve((self._factor, True), self._products(self._measured, columns), check_finite=False)
        common = np.outer(self._of_mean, self._of_mean[columns])
        return np.asarray(self._prior(columns) - self._times_known(weights) + common)

    def similarity(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Correlation before any measurement of all perturbations with some of them, all x some."""
        return _correlation(self._prior(columns), self._prior_variance, self._prior_variance[columns])

    def nearest(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Place of the most similar known perturbation of some perturbations, and the correlation with it."""
        between = self._products(rows, self._measured)
        correlation = _correlation(between, self._prior_variance[rows], self._known_variance)
        return correlation.argmax(axis=1), correlation.max(axis=1)

    def _prior(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        covariance = self._products(self._all, columns)
        covariance[columns, np.arange(len(columns))] = self._prior_variance[columns]
        return covariance

    def _products(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Covariance by what features have in common, rows x columns."""
        total = np.zeros((len(rows), len(columns)))
        for values in self._sources:
            total += as_dense(values[rows] @ values[columns].T)
        return total

    def _times_known(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of all with the known perturbations times some weights of these, known x columns.

        By way of the features, of which each perturbation has few: the covariance itself is large.
        """
        total = np.zeros((len(self._all), weights.shape[1]))
        for values in self._sources:
            total += values[self._all] @ (values[self._measured].T @ weights)
        return total

    def _diagonal(self, factors: Mapping[str, float], sources: Mapping[str, Any]) -> NDArray[np.float64]:
        """Variances before any measurement: what a source does not know is not shared with others, but varies as much."""
        squared = (factor * np.maximum(_squared_lengths(sources[name]), 1.0) for name, factor in factors.items())
        return np.asarray(sum(squared, np.zeros(len(self._all) + len(self._measured))))


def _squared_lengths(values: Any) -> NDArray[np.float64]:
    squared = values.multiply(values) if hasattr(values, "multiply") else np.square(values)
    return np.asarray(squared.sum(axis=1), dtype=np.float64).ravel()


def _correlation(
    covariance: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlation from a covariance and the variances of its rows and columns; 0 where there is none."""
    scale = np.sqrt(np.outer(rows, columns))
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
