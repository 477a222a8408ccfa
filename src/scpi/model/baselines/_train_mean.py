"""The same mean cell for every context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import mean_of_conditions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._predict import Counterfactual
    from scpi.model.base.prediction._profiles import Profiles


@fill
class TrainMean(Baseline):
    """Predict the mean expression of perturbed training cells for every cell.

    The mean is over the same groups as in :class:`MeanDelta`: with a ``context_key`` or a ``dose_key``, over the training
    contexts that have the perturbations, at their dose; otherwise over all training conditions.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _predict_cells(self, asked: Counterfactual) -> NDArray[np.float32]:
        return np.tile(self._profile(asked.design).astype(np.float32), (len(asked.cells), 1))

    def _profile(self, design: NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean cell of a condition."""
        profiles = self.module.profiles()
        if not design.any():
            return np.asarray(np.nanmean(profiles.control, axis=0))
        measured = self._measured(design)
        if not measured:
            return self.module.once(_mean_cell)
        return np.mean([profiles.controls[context] + change for context, change in measured.items()], axis=0)


def _mean_cell(profiles: Profiles) -> NDArray[np.float64]:
    return mean_of_conditions(profiles.design, profiles.treated)
