"""One fold change per perturbation, fitted to all conditions that contain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.base.effects._fold_changes import from_log_level, log_level
from scpi.model.base.effects._regression import member_effects
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles


@fill
class LogRatioLinear(Baseline):
    """Multiply the mean expression of the controls by fold changes that are fitted to all training conditions.

    This is :class:`Linear` on another scale. The registered expression must be log1p-transformed. Means of logarithms
    are transformed back to the linear scale, 0.1 is added, and effects on the logarithm of the result are fitted by
    least squares. The fold changes of the members of a combination thus multiply. For genes that are hardly expressed,
    this gives less than the sum of their changes on the registered scale.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    _reads_logs = True

    def _parts(self, design: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [design]

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        effect = design @ self.module.once(_effects)
        return np.asarray(from_log_level(log_level(control) + effect) - from_log_level(log_level(control)))


def _effects(profiles: Profiles) -> NDArray[np.float64]:
    ratios = log_level(profiles.treated) - log_level(profiles.controls[profiles.context])
    return member_effects(profiles.design, ratios, profiles.n_cells)
