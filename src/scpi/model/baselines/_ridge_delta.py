"""Changes regressed on controls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.baselines._context_delta import ContextDelta, best_setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Relative to the mean squared distance of the contexts from their centre; the first is nearly the mean change
_PENALTIES = tuple(float(value) for value in np.logspace(3, -3, 13))


class RidgeDelta(ContextDelta):
    """Adds the change that a ridge regression on the mean expression of the controls predicts.

    Every gene's change is a linear function of all genes' mean expression in the controls of a context, with an
    intercept. The penalty is the one of 13 with the least squared error when each training context is left out. With
    fewer than three training contexts it is the mean change. Where no training context has the perturbations of a
    label, the change is the mean over all conditions.

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
        return ridge_weights(controls, control, best_setting(_PENALTIES, ridge_weights, controls, changes))


def ridge_weights(controls: NDArray[np.float64], control: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Weights with which a ridge regression with an intercept combines the values of its training points.

    Parameters
    ----------
    controls
        Training points, one a row.
    control
        Point to predict.
    penalty
        Penalty of the coefficients, relative to the mean squared norm of the centred training points.
    """
    n, centre = len(controls), controls.mean(0)
    centred = controls - centre
    gram = centred @ centred.T
    scale = penalty * np.trace(gram) / n
    if scale == 0:
        return np.full(n, 1.0 / n)
    dual = np.linalg.solve(gram + scale * np.eye(n), centred @ (control - centre))
    return np.asarray(1.0 / n + dual - dual.mean())
