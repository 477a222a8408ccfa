"""Fold changes of other contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi.model.base.effects._fold_changes import from_log_level, log_level
from scpi.model.baselines._baseline import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray


@fill
class LogRatioDelta(Baseline):
    """Multiply the mean expression of the controls by the mean fold change of the training contexts.

    The registered expression must be log1p-transformed. Means of logarithms are transformed back to the linear scale.
    The logarithm of (treated + 0.1) / (control + 0.1) is averaged over the training contexts under the same
    perturbations at the same dose, and applied to the mean of the controls. The resulting change of log1p expression is
    added to control cells. A gene that the context hardly expresses thus changes little, even if it changes strongly
    elsewhere.

    Parameters
    ----------
    %(setup_adata)s
        The setup takes a ``context_key``. Without it, all cells are of one context if there is a ``dose_key``;
        otherwise the change is the mean over all conditions. Between measured doses, changes are interpolated
        linearly in log1p of the dose.
    %(registry)s
    """

    _reads_logs = True

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        measured = self._measured(design)
        if not measured:
            return super()._change(design, control)
        before = self.module.profiles().controls[list(measured)]
        after = before + np.stack(list(measured.values()))
        ratio = np.mean(log_level(after) - log_level(before), axis=0)
        return np.asarray(from_log_level(ratio + log_level(control)) - control)
