"""Effect sizes of a pilot beyond the noise of its cells, as draws from a mixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Standard deviations of the prior, as natural logarithms of fold changes; the first is no change
_SCALES = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
_MOST_VALUES, _N_STEPS = 20_000, 200
# Weight of the effects of all groups in the prior of one group, in genes
_N_SHARED = 20.0


class EffectSizes(NamedTuple):
    """Log fold changes estimated from a pilot, with their errors, under a mixture of normal distributions."""

    estimate: Floats
    """Natural logarithms of fold changes, groups x genes."""
    variance: Floats
    """Their squared standard errors."""
    weights: Floats
    """Weights of the components of the prior of each group, groups x components."""

    def draw(self, rng: np.random.Generator) -> Floats:
        """Draw log fold changes from their posterior, groups x genes."""
        drawn = np.zeros(self.estimate.shape)
        for row, (estimate, variance, weights) in enumerate(zip(*self, strict=True)):
            parts = weights * _densities(estimate, variance)
            steps = np.cumsum(parts, axis=1)
            component = (rng.random((len(estimate), 1)) * steps[:, -1:] > steps).sum(axis=1)
            prior = np.square(_SCALES[np.minimum(component, len(_SCALES) - 1)])
            kept = prior / (prior + variance)
            drawn[row] = kept * estimate + np.sqrt(kept * variance) * rng.normal(size=len(estimate))
        return drawn


def learn_sizes(estimate: Floats, variance: Floats, rng: np.random.Generator) -> EffectSizes:
    """Learn the prior of each group, shrunken towards that of all groups, from estimates of groups x genes."""
    flat = np.arange(estimate.size)
    if len(flat) > _MOST_VALUES:
        flat = rng.choice(flat, _MOST_VALUES, replace=False)
    n = len(_SCALES)
    # Add one unchanged gene, so that a pilot without effects has none
    shared = _climb(_densities(estimate.ravel()[flat], variance.ravel()[flat]), np.eye(n)[0])
    of_groups = [
        _climb(_densities(one, error), _N_SHARED * shared) for one, error in zip(estimate, variance, strict=True)
    ]
    return EffectSizes(estimate, variance, np.array(of_groups).reshape(-1, n))


def _densities(estimate: Floats, variance: Floats) -> Floats:
    """Compute relative densities of estimates under each component, estimates x components."""
    spread = variance[:, None] + np.square(_SCALES)
    log = -0.5 * (np.square(estimate)[:, None] / spread + np.log(spread))
    return np.asarray(np.exp(log - log.max(axis=1, keepdims=True)))


def _climb(density: Floats, counted: Floats) -> Floats:
    """Estimate the weights of the components by expectation maximisation, with prior counts ``counted``."""
    weights = np.full(density.shape[1], 1.0 / density.shape[1])
    for _ in range(_N_STEPS):
        parts = density * weights
        new = (parts / parts.sum(axis=1, keepdims=True)).sum(axis=0) + counted
        weights = new / new.sum()
    return np.asarray(weights)
