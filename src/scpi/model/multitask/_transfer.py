"""Transfer of changes measured in other contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi.model.base.effects._fold_changes import from_log_level, log_level
from scpi.model.base.effects._regression import FEWEST, chosen_ridge_weights, shrinkage
from scpi.model.base.prediction._latent_shifts import measured_shifts
from scpi.model.multitask._kriging import kriged_changes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles
    from scpi.model.multitask._kriging import Noise

    Floats = NDArray[np.floating[Any]]


class Transfer(NamedTuple):
    """Change of the expression of one context, as other contexts have it."""

    change: NDArray[np.float64]
    """Change of each gene: of log-normalised expression, or the logarithm of its ratio."""
    gain: float
    """Factor of the change of the network that matches its magnitude along the change of the other contexts."""


def measured_change(
    profiles: Profiles,
    design: NDArray[np.float64],
    control: NDArray[np.float64],
    *,
    noise: Noise,
    allowed: NDArray[np.bool_],
) -> NDArray[np.float64] | None:
    """Change of log-normalised expression, and the logarithm of its ratio, where a condition was measured: 2 x genes.

    Each is a ridge regression of its own on the mean of the controls, ``control`` being that of the context to predict.
    Both are shrunk by what differences are too large by where a training context is left out. With fewer than three
    training contexts, differences are shrunk by their ``noise``, in each context with those at its other doses.
    """
    shifts = measured_shifts(profiles, design, allowed=allowed)
    if shifts is None:
        return None
    controls, changes = shifts.controls, shifts.changes
    if len(changes) < FEWEST and noise.variance.any():
        changes = kriged_changes(profiles, design, shifts.contexts, noise)
    ratios = log_level(controls + changes) - log_level(controls)
    kept = shrinkage(controls, changes)
    both = [chosen_ridge_weights(controls, values, control) @ values for values in (changes, ratios)]
    return kept * np.stack(both)


def combine(both: Floats, control: Floats, network: Floats, *, ratios: bool) -> Transfer:
    """Mean of the two estimates of :func:`measured_change`, of which the difference says how large the change is.

    ``control`` is the mean log-normalised expression of the controls and ``network`` the change of a mean cell by the
    network. With ``ratios``, this and the result are logarithms of ratios, not differences.
    """
    difference, ratio = both
    level = log_level(control)
    if ratios:
        moved = np.log1p(np.expm1(control) * np.exp(network)) - control
        first, second = log_level(np.maximum(control + difference, 0.0)) - level, ratio
    else:
        moved, first, second = network, difference, from_log_level(level + ratio) - from_log_level(level)
    return Transfer((first + _gain(second, first) * second) / 2, _gain(moved, difference))


def _gain(change: Floats, onto: Floats) -> float:
    """Factor with which a change is nearest to another one; 0 where they point away from each other."""
    squared = float(change @ change)
    return max(float(change @ onto) / squared, 0.0) if squared > 0 else 1.0
