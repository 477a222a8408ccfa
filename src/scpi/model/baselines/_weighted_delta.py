"""Changes of contexts, weighted by similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._context_delta import ContextDelta, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray


class WeightedDelta(ContextDelta):
    """Adds the changes of the training contexts, weighted by how similar their controls are.

    The weight of a context is the inverse of the squared Euclidean distance between the mean expression of its controls
    and that of the context to predict, so that no scale has to be chosen; a context at no distance has all the weight.
    Where no training context has the perturbations of a label, the change is the mean over all conditions.

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
        return inverse_distance_weights(squared_distances(controls, control))


def inverse_distance_weights(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that sum to 1, inverse to squared distances; all of it where the distance is 0."""
    least = squared.min()
    # Relative to the least, which neither overflows nor divides by zero
    weights = np.where(squared == least, 1.0, least / np.where(squared == least, 1.0, squared))
    return np.asarray(weights / weights.sum())
