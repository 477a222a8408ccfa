"""The mean change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._docs import fill
from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import equal_weights, weighted_change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@fill
class MeanDelta(Baseline):
    """Adds a mean change to control cells.

    With a ``context_key`` it is the mean, over the training contexts, of their change under the same perturbations at
    the same dose. For perturbations that no training context has, and without a ``context_key``, it is the mean change
    of all training conditions, whatever the perturbation.

    Parameters
    ----------
    %(setup_adata)s
    %(registry)s
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return weighted_change(self.module.profiles(), self._measured(design), control, equal_weights)
