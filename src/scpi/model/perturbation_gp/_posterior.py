"""How sure a Gaussian process is of the effects of perturbations, and by how much one measurement would change that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


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
        self._sources, self._factors, n = sources, factors, len(self.names)
        rest = np.arange(n, n + len(self.known))
        diagonal = self._diagonal()
        self._prior_variance = diagonal[:n]
        between = self._products(np.arange(n), rest)
        covariance = self._products(rest, rest)
        np.fill_diagonal(covariance, diagonal[n:] + self.own_variance + noise)
        factor = cholesky(covariance, lower=True)
        # What is left of the effects after the known ones, and what the unknown common mean adds to it
        self._explained = solve_triangular(factor, between.T, lower=True)
        ones = solve_triangular(factor, np.ones(len(self.known)), lower=True)
        self._of_mean = (1.0 - ones @ self._explained) / np.sqrt(ones @ ones)
        self.variance = np.maximum(
            self._prior_variance - np.square(self._explained).sum(axis=0) + np.square(self._of_mean), 0.0
        )
        correlation = _correlation(between, self._prior_variance, diagonal[n:])
        self.nearest = correlation.argmax(axis=1)
        self.similarity_to_nearest = correlation.max(axis=1)

    def covariance(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Posterior covariance of what features explain of all perturbations and of some of them, all x some."""
        explained = self._explained.T @ self._explained[:, columns]
        common = np.outer(self._of_mean, self._of_mean[columns])
        return np.asarray(self._prior(columns) - explained + common)

    def similarity(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Correlation before any measurement of all perturbations with some of them, all x some."""
        return _correlation(self._prior(columns), self._prior_variance, self._prior_variance[columns])

    def _prior(self, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        covariance = self._products(np.arange(len(self.names)), columns)
        covariance[columns, np.arange(len(columns))] = self._prior_variance[columns]
        return covariance

    def _products(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
        total = np.zeros((len(rows), len(columns)))
        for name, factor in self._factors.items():
            values = self._sources[name]
            total += factor * as_dense(values[rows] @ as_dense(values[columns], np.float64).T, np.float64)
        return total

    def _diagonal(self) -> NDArray[np.float64]:
        """Variances before any measurement: what a source does not know is not shared with others, but varies as much."""
        squared = (
            factor * np.maximum(_squared_lengths(self._sources[name]), 1.0) for name, factor in self._factors.items()
        )
        return np.asarray(sum(squared, np.zeros(len(self.names) + len(self.known))))


def _squared_lengths(values: Any) -> NDArray[np.float64]:
    squared = values.multiply(values) if hasattr(values, "multiply") else np.square(values)
    return np.asarray(squared.sum(axis=1), dtype=np.float64).ravel()


def _correlation(
    covariance: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Correlation from a covariance and the variances of its rows and columns; 0 where there is none."""
    scale = np.sqrt(np.outer(rows, columns))
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
