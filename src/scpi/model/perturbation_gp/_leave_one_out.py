"""Leave-one-out predictions of perturbations, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def others_mean(effects: NDArray[np.float64], mean: NDArray[np.float64], gene: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean effect of the other perturbations, for each of those that were trained on, perturbations x genes.

    ``mean`` is that of all, and ``gene`` the place of the gene of each perturbation, -1 without: it counts as the mean in the
    effect of its own perturbation.
    """
    deviation = effects - mean
    own = np.flatnonzero(gene >= 0)
    deviation[own, gene[own]] = 0.0
    return np.asarray(mean - deviation / (len(effects) - 1))
