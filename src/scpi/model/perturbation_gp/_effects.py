"""Effects of perturbations: what is known of some, and what is predicted of all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._context_process import ContextEffects


class TrainingEffects(NamedTuple):
    """Features of all perturbations, and the effects of those that were trained on."""

    sources: Mapping[str, Any]
    """Perturbations x features of each source, dense or sparse."""
    known: NDArray[np.intp]
    """Places of the perturbations with effects."""
    effects: NDArray[np.float64]
    """Their effects, known perturbations x genes."""
    errors: NDArray[np.float64]
    """Standard errors of the effects."""
    gene: NDArray[np.intp]
    """Place of the gene that has the name of each perturbation, known or not; -1 without."""
    control: NDArray[np.float64]
    """Mean expression of the controls, (n_genes,)."""

    @property
    def n_perturbations(self) -> int:
        """Number of all perturbations."""
        return len(self.gene)

    def has_features(self) -> NDArray[np.bool_]:
        """Whether each perturbation has features in any source."""
        found = np.zeros(self.n_perturbations, dtype=bool)
        for values in self.sources.values():
            found |= np.asarray(abs(values).sum(axis=1)).ravel() > 0
        return found

    def kernel(self) -> NDArray[np.float64]:
        """Mean over the sources of the similarities of all to the known perturbations, perturbations x known."""
        total = np.zeros((self.n_perturbations, len(self.known)))
        for values in self.sources.values():
            total += as_dense(values @ values[self.known].T, np.float64)
        return total / max(len(self.sources), 1)

    def without_own_genes(self) -> TrainingEffects:
        """The same where each known perturbation changes its own gene as the others do on average."""
        return self._replace(effects=without_own_genes(self.effects, self.gene[self.known]))


def without_own_genes(effects: NDArray[np.float64], gene: NDArray[np.intp]) -> NDArray[np.float64]:
    """Effects in which each perturbation changes its own ``gene`` (its place; -1 without) as the others do on average."""
    rows = np.flatnonzero(gene >= 0)
    if len(effects) < 2 or not len(rows):
        return effects
    changed, columns = effects.copy(), gene[rows]
    # Two perturbations may have one gene, of two doses or guides: each is left out of its own mean
    changed[rows, columns] = (effects[:, columns].sum(axis=0) - effects[rows, columns]) / (len(effects) - 1)
    return changed


class Prediction(NamedTuple):
    """Effects of all perturbations, known or not: the mean effect, and scores along axes."""

    mean: NDArray[np.float64]
    """Mean effect of the known perturbations, (n_genes,)."""
    axes: NDArray[np.float64]
    """Directions, components x genes."""
    scores: NDArray[np.float64]
    """Predicted deviation from the mean of each perturbation, perturbations x components; 0 without features."""
    left_out: NDArray[np.float64] | None = None
    """Deviation of each known perturbation as the others predict it, where that is known."""
    weights: Mapping[str, float] = MappingProxyType({})
    """Weight of each source, with a sum of 1, if sources are weighted."""
    calibration: float = 1.0
    """Factor of the deviations, from 0, where features are worth nothing, to 1."""
    explained: Mapping[str, float] = MappingProxyType({})
    """Variance that each source explains, in units of what is special to each perturbation, where that is learned."""
    noise: NDArray[np.float64] | None = None
    """Variance of the noise of each known perturbation in the same units, where that is learned."""

    @property
    def effects(self) -> NDArray[np.float64]:
        """Predicted effects, perturbations x genes."""
        return np.asarray(self.mean + self.scores @ self.axes)

    def denoised(self, data: TrainingEffects | ContextEffects) -> NDArray[np.float64]:
        """Effects of the known perturbations, or pairs, drawn to what the others predict as far as they are noise.

        What differs from that prediction has a variance, beyond that of the noise, of each perturbation of its own.
        """
        if self.left_out is None or not data.errors.any():
            return data.effects
        expected = self.mean + self.left_out @ self.axes
        residual = data.effects - expected
        noise = np.square(data.errors)
        variance = np.maximum((np.square(residual) - noise).mean(axis=1, keepdims=True), 0.0)
        kept = np.divide(variance, variance + noise, out=np.ones_like(noise), where=variance + noise > 0)
        return np.asarray(expected + kept * residual)


def only_mean(data: TrainingEffects) -> Prediction:
    """The mean for all perturbations."""
    return Prediction(
        data.effects.mean(axis=0),
        np.zeros((1, data.effects.shape[1])),
        np.zeros((data.n_perturbations, 1)),
        calibration=0.0,
    )
