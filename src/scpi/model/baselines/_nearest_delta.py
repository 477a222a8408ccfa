"""The change of the most similar context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.model.baselines._baseline import Baseline
from scpi.model.baselines._contexts import nearest_weights, weighted_change

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NearestDelta(Baseline):
    """Adds the change of the training context whose controls are most like those of the context to predict.

    Contexts are compared by the Euclidean distance of the mean expression of their controls. Where no training context
    has the perturbations of a label, the change is the mean over all conditions.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`, with a ``context_key``.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _change(self, design: NDArray[np.float32], control: NDArray[np.float64]) -> NDArray[np.float64]:
        return weighted_change(self.module.profiles(), self._measured(design), control, nearest_weights)
