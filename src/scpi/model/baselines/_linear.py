"""One effect per perturbation, fitted to all conditions that contain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.base.effects._regression import member_effects
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


@fill
class Linear(Baseline):
    """Add linear effects, fitted to all training conditions including combinations, to control cells.

    The effects are the least-squares solution of a linear model without interactions. Perturbed cells are compared with
    the controls of their context, on the scale of the registered expression. Trained combinations thus inform the
    effects of their members, while :class:`Additive` uses single perturbations only. Of several solutions, the one with
    the smallest norm is used.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(design @ self.module.once(_effects))


def _effects(profiles: Profiles) -> NDArray[np.float64]:
    return member_effects(profiles.design, profiles.changes, profiles.n_cells)
