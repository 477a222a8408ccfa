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
    """Add a change that is proportional to log1p of the dose to control cells.

    The slope of every training context is the least-squares slope over its doses, weighted by the number of cells. The
    prediction uses the mean slope. If no training context has the perturbations of a label, or its members have
    different doses, the change is the sum of the changes of the members. If a member was not measured alone, it is the
    mean change over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``dose_key``.
    %(registry)s
    """

    def _pairs(self, design: NDArray[np.float32]) -> NDArray[np.intp]:
        """Measured pairs with the perturbations of a design, all at one dose; none if the design has several doses."""
        used = design != 0
        if len(np.unique(design[used])) > 1:
            return np.zeros(0, dtype=np.intp)
        pairs = self.module.profiles().of_same_members(design)
        doses = self.module.profiles().design[pairs][:, used]
        return pairs[(doses == doses[:, :1]).all(axis=1)]

    def _is_measured(self, design: NDArray[np.float32]) -> bool:
        return len(self._pairs(design)) > 0

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        profiles, pairs = self.module.profiles(), self._pairs(design)
        if not len(pairs):
            return super()._change(design, control)
        logs = np.log1p(profiles.design[pairs].max(1))
        weights = profiles.n_cells[pairs] * logs
        _, context = np.unique(profiles.context[pairs], return_inverse=True)
        totals = np.bincount(context, weights * logs)
        slopes = weights / (totals[context] * len(totals))
        return np.asarray(np.log1p(design.max()) * (slopes @ profiles.changes_of(pairs)))
