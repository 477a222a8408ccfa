"""One effect per perturbation, from all conditions that it occurs in."""

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
    """Adds effects that are fitted to all training conditions, combinations included, to control cells.

    The effects are the least-squares solution of a linear model without interactions over the perturbed cells, each
    against the controls of its context, on the scale of the registered expression. Where combinations are trained on,
    they inform the effects of their members, which :class:`Additive` takes from single perturbations alone. Of several
    solutions it is the smallest.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(design @ self.module.once(_effects))


def _effects(profiles: Profiles) -> NDArray[np.float64]:
    return member_effects(profiles.design, profiles.changes, profiles.n_cells)
