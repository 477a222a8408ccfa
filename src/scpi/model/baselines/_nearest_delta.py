"""The change of the most similar context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import nearest_weights, weighted_change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@fill
class NearestDelta(Baseline):
    """Adds the change of the training context whose controls are most like those of the context to predict.

    Contexts are compared by the Euclidean distance of the mean expression of their controls. Where no training context
    has the perturbations of a label, the change is the mean over all conditions.

    Parameters
    ----------
    %(setup_adata)s
        The setup needs a ``context_key``.
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return weighted_change(self.module.profiles(), self._measured(design), control, nearest_weights)
