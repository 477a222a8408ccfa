"""The sum of the single effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._screen._composition import composed_weights
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


@fill
class Additive(Baseline):
    """Adds the changes under the single perturbations of a combination to control cells.

    The change under a perturbation is the mean of its training cells minus that of the control cells of their context,
    on the scale of the registered expression. Between measured doses it is linear in the logarithm of dose plus 1, from
    no change at dose 0, and beyond the largest one it stays.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles = self.module.profiles()
        # Single perturbations, those of the condition among them
        alone = self.module.once(_alone)
        alone = alone[(profiles.design[alone][:, design != 0] != 0).any(axis=1)]
        # Over contexts, with as much weight as each has cells
        levels, level = np.unique(profiles.design[alone], axis=0, return_inverse=True)
        level, n_cells = level.reshape(-1), profiles.n_cells[alone]
        weights = composed_weights(levels, design, names=self.perturbations_)
        of_pair = weights[level] * n_cells / np.bincount(level, n_cells)[level]
        return np.asarray(of_pair @ profiles.changes_of(alone))


def _alone(profiles: Profiles) -> NDArray[np.intp]:
    """Pairs with a single perturbation."""
    return np.flatnonzero((profiles.design != 0).sum(axis=1) == 1)
