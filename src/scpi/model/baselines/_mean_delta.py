"""The mean change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._context_delta import ContextDelta

if TYPE_CHECKING:
    from numpy.typing import NDArray


class MeanDelta(ContextDelta):
    """Adds a mean change to control cells.

    With a ``context_key`` it is the mean, over the training contexts, of their change under the same perturbations at
    the same dose. For perturbations that no training context has, and without a ``context_key``, it is the mean change
    of all training conditions, whatever the perturbation.

    Parameters
    ----------
    adata
        Data after :meth:`setup_anndata` or :meth:`setup_mudata`.
    registry
        Given by scvi-tools in place of data when a saved model is loaded without.
    """

    def _weights(
        self, controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.full(len(controls), 1.0 / len(controls))
