"""Effects of perturbations shrunk by their noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.base.effects._regression import member_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.effects._spread import Spread
    from scpi.model.base.prediction._profiles import Profiles

# Prior of the mixture: this fraction of the genes was seen before without an effect, which keeps pure noise at zero
_NULL = 0.01
_MAX_ITERATIONS = 500
_TOLERANCE = 1e-4


def shrink(effects: NDArray[np.floating], errors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Posterior means of effects with these standard errors, (n_perturbations, n_genes).

    The true effects of a perturbation on the genes are a sample from a mixture of normal distributions around zero,
    one of them zero itself, whose weights are estimated from all genes: adaptive shrinkage (Stephens, 2017,
    Biostatistics 18:275). A perturbation without effects is shrunk to nothing, and a large effect hardly at all.
    Effects without an error are kept.
    """
    effects = np.asarray(effects, dtype=np.float64)
    shrunk = np.array(effects)
    for row, own, error in zip(shrunk, effects, np.asarray(errors, dtype=np.float64), strict=True):
        noisy = error > 0
        if noisy.any():
            row[noisy] = _posterior_means(own[noisy], np.square(error[noisy]))
    return np.asarray(shrunk)


def _posterior_means(effects: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    prior = _prior_variances(effects, variance)
    total = prior + variance[:, None]
    log_density = -0.5 * (np.log(total) + np.square(effects)[:, None] / total)
    density = np.exp(log_density - log_density.max(1, keepdims=True))
    weights = np.full(len(prior), 1 / len(prior))
    for _ in range(_MAX_ITERATIONS):
        # Sums of posterior weights over the genes, as two products with a matrix
        posterior = weights * ((1 / (density @ weights)) @ density)
        updated = posterior / (len(effects) * (1 + _NULL))
        updated[0] += _NULL / (1 + _NULL)
        change, weights = np.abs(updated - weights).max(), updated
        if change < _TOLERANCE:
            break
    posterior = density * weights
    posterior /= posterior.sum(1, keepdims=True)
    return np.asarray(effects * np.einsum("gk,gk->g", posterior, prior / total))


def _prior_variances(effects: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zero, and variances that grow fourfold from a hundredth of the smallest error to four times the largest effect."""
    largest = 4 * np.square(effects).max()
    least = variance.min() / 100
    n = max(1, int(np.ceil(np.log(max(largest / least, 1.0)) / np.log(4))) + 1)
    return np.concatenate([[0.0], least * 4.0 ** np.arange(n)])


def effect_errors(
    profiles: Profiles, spread: Spread, *, slope: tuple[NDArray[np.floating], NDArray[np.floating]]
) -> NDArray[np.float64]:
    """Standard errors of :func:`member_effects` of ``profiles``, perturbations x genes.

    ``slope`` is the derivative of the scale of the effects by the mean expression, of the treated pairs and of the
    controls of the contexts.
    """
    there = spread.n_control > 0
    # Contexts without controls are compared with the mean of the others
    compared = np.where(there[:, None], np.eye(len(there)), there / there.sum())[:, there]
    treated = np.square(slope[0]) * spread.treated / profiles.n_cells[:, None]
    control = (np.square(slope[1]) * spread.control)[there] / spread.n_control[there, None]
    weights = member_effects(profiles.design, np.eye(len(profiles.design)), profiles.n_cells)
    errors, used = np.zeros((len(weights), treated.shape[1])), np.flatnonzero(weights.any(axis=1))
    of_controls = weights[used] @ compared[profiles.context]
    errors[used] = np.sqrt(np.square(weights[used]) @ treated + np.square(of_controls) @ control)
    return errors
