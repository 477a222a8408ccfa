"""Regression of changes on controls, as weights of the changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Penalties, relative to the mean variance that the contexts explain; the last is as good as the mean change
_PENALTIES = np.logspace(-3, 3, 13)


def chosen_ridge_weights(
    controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of the changes of contexts in a ridge regression with an intercept on their controls.

    The penalty is the one of 13 with the least squared error when each context is left out; with fewer than three
    contexts there is nothing to choose by, and all have the same weight.

    Parameters
    ----------
    controls, changes
        Controls of each context and its change, one a row.
    control
        Controls of the context to predict.
    """
    n = len(controls)
    if n < 3:
        return np.full(n, 1.0 / n)
    everything = np.vstack([controls, control])
    errors = [sum(_error(everything, changes, left_out, penalty) for left_out in range(n)) for penalty in _PENALTIES]
    return ridge_weights(everything, np.arange(n), n, float(_PENALTIES[int(np.argmin(errors))]))


def least_squares_weights(controls: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the changes of contexts in a regression without penalty, the smallest of its solutions.

    Parameters
    ----------
    controls
        Controls of each context, one a row.
    control
        Controls of the context to predict.
    """
    centre = controls.mean(0)
    dual = np.linalg.lstsq((controls - centre).T, control - centre, rcond=None)[0]
    return np.asarray(1.0 / len(controls) + dual - dual.mean())


def _error(controls: NDArray[np.float64], changes: NDArray[np.float64], left_out: int, penalty: float) -> float:
    """Squared error for one training context from the others."""
    others = np.delete(np.arange(len(changes)), left_out)
    weights = ridge_weights(controls, others, left_out, penalty)
    return float(np.square(weights @ changes[others] - changes[left_out]).sum())


def ridge_weights(
    controls: NDArray[np.float64], train: NDArray[np.intp], target: int, penalty: float
) -> NDArray[np.float64]:
    """Weights with which a ridge regression with an intercept combines the values of its training points.

    Parameters
    ----------
    controls
        Points, one a row.
    train, target
        Rows to learn from and to predict.
    penalty
        Penalty of the coefficients, relative to the mean squared norm of the centred training points.
    """
    centred = controls[train] - controls[train].mean(0)
    gram = centred @ centred.T
    n = len(train)
    scale = penalty * np.trace(gram) / n
    if scale == 0:
        return np.full(n, 1.0 / n)
    similar = centred @ (controls[target] - controls[train].mean(0))
    dual = np.linalg.solve(gram + scale * np.eye(n), similar)
    return np.asarray(1.0 / n + dual - dual.mean())
