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
    """Add the changes under the single perturbations of a combination to control cells.

    The change under a perturbation is the mean of its training cells minus the mean of the control cells of their
    context, on the scale of the registered expression. Changes are interpolated linearly in log1p of the dose, from 0
    at dose 0, and are constant above the largest measured dose.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles = self.module.profiles()
        # Single perturbations, including those of the condition
        alone = self.module.once(_alone)
        alone = alone[(profiles.design[alone][:, design != 0] != 0).any(axis=1)]
        # Over contexts, weighted by the number of cells
        levels, level = np.unique(profiles.design[alone], axis=0, return_inverse=True)
        level, n_cells = level.reshape(-1), profiles.n_cells[alone]
        weights = composed_weights(levels, design, names=self.perturbations_)
        of_pair = weights[level] * n_cells / np.bincount(level, n_cells)[level]
        return np.asarray(of_pair @ profiles.changes_of(alone))


def _alone(profiles: Profiles) -> NDArray[np.intp]:
    """Pairs with a single perturbation."""
    return np.flatnonzero((profiles.design != 0).sum(axis=1) == 1)
