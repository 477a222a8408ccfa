"""Changes of contexts, weighted by similarity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.base.prediction._regression import best_setting
from scpi.model.baselines._context_delta import ContextDelta, squared_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative to the median squared distance of the training contexts; the first is nearly the mean change
_BANDWIDTHS = tuple(float(value) for value in np.logspace(1, -1.5, 11))


class WeightedDelta(ContextDelta):
    r"""Adds the changes of the training contexts, weighted by how similar their controls are.

    The weight of a context is :math:`\exp(-d^2 / h)`, where :math:`d` is the Euclidean distance between the mean
    expression of its controls and that of the context to predict. The bandwidth :math:`h` is the one of 11, from 10 to
    0.03 times the median of the squared distances between training contexts, with which these predict each other with the
    least squared error; with fewer than three of them all weights are equal. Where no training context has the
    perturbations of a label, the change is the mean over all conditions.

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
        n = len(controls)
        if n < 3:
            return np.full(n, 1.0 / n)
        between = [squared_distances(controls[i + 1 :], controls[i]) for i in range(n - 1)]
        scale = float(np.median(np.concatenate(between)))
        settings = [scale * bandwidth for bandwidth in _BANDWIDTHS]
        return kernel_weights(controls, control, best_setting(settings, kernel_weights, controls, changes))


def kernel_weights(
    controls: NDArray[np.float64], control: NDArray[np.float64], bandwidth: float
) -> NDArray[np.float64]:
    """Weights that sum to 1 and fall with the squared distance to one point, in units of the bandwidth."""
    if bandwidth == 0:
        return np.full(len(controls), 1.0 / len(controls))
    squared = squared_distances(controls, control)
    weights = np.exp(-(squared - squared.min()) / bandwidth)
    return np.asarray(weights / weights.sum())
