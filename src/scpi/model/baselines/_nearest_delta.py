"""The change of the most similar context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._context_delta import ContextDelta, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray


class NearestDelta(ContextDelta):
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

    def _weights(
        self, controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        weights = np.zeros(len(controls))
        weights[np.argmin(squared_distances(controls, control))] = 1.0
        return weights
