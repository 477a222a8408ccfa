"""Changes that grow with the logarithm of the dose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


@fill
class LinearDose(Baseline):
    """Adds a change that is proportional to the logarithm of the dose plus 1.

    The slope of every training context is that of least squares over its doses, each with as much weight as it has
    cells; that of the prediction is their mean. Where no training context has the perturbations of a label, the change
    is the mean over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``dose_key``.
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles = self.module.profiles()
        pairs = profiles.of_same_members(design)
        if not len(pairs):
            return super()._change(design, control)
        logs = np.log1p(profiles.design[pairs].max(1))
        weights = profiles.n_cells[pairs] * logs
        _, context = np.unique(profiles.context[pairs], return_inverse=True)
        totals = np.bincount(context, weights * logs)
        slopes = weights / (totals[context] * len(totals))
        return np.asarray(np.log1p(design.max()) * (slopes @ profiles.changes_of(pairs)))
