"""Weights with which the changes of contexts predict that of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

# Contexts that there must be for one to be left out and predicted from the others
FEWEST = 3
# Relative to the mean squared distance of the contexts from their centre; the first is nearly the mean change
_PENALTIES = tuple(float(value) for value in np.logspace(3, -3, 13))


def best_setting(
    settings: Sequence[float],
    weigh: Callable[[NDArray[np.float64], NDArray[np.float64], float], NDArray[np.float64]],
    controls: NDArray[np.float64],
    changes: NDArray[np.float64],
) -> float:
    """The setting of a weighting under which training contexts predict each other best.

    That is the one with the least squared error when each context (a row of ``controls`` and ``changes``) is left out
    in turn; of equal ones the first. ``weigh`` gives weights of contexts from their controls, those of the context to
    predict, and a setting.
    """
    errors = np.zeros(len(settings))
    for left_out in range(len(controls)):
        others = np.delete(np.arange(len(controls)), left_out)
        for place, setting in enumerate(settings):
            weights = weigh(controls[others], controls[left_out], setting)
            errors[place] += np.square(weights @ changes[others] - changes[left_out]).sum()
    return settings[int(np.argmin(errors))]


def ridge_weights(controls: NDArray[np.float64], control: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """Weights with which a ridge regression with an intercept combines the values of its training points, the rows.

    The penalty of the coefficients is relative to the mean squared norm of the centred training points.
    """
    n, centre = len(controls), controls.mean(0)
    centred = controls - centre
    gram = centred @ centred.T
    scale = penalty * np.trace(gram) / n
    if scale == 0:
        return np.full(n, 1.0 / n)
    dual = np.linalg.solve(gram + scale * np.eye(n), centred @ (control - centre))
    return np.asarray(1.0 / n + dual - dual.mean())


def chosen_ridge_weights(
    controls: NDArray[np.float64], changes: NDArray[np.float64], control: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of :func:`ridge_weights`, with the penalty of 13 under which the training points predict each other best.

    With fewer than three points there is nothing to choose by, and all have the same weight.
    """
    n = len(controls)
    if n < FEWEST:
        return np.full(n, 1.0 / n)
    return ridge_weights(controls, control, best_setting(_PENALTIES, ridge_weights, controls, changes))


def shrinkage(controls: NDArray[np.float64], changes: NDArray[np.float64]) -> float:
    """Factor in [0, 1] by which predictions of a ridge regression are too large for contexts that it has not seen.

    With each training context left out, its change is regressed on the predicted one, without an intercept. The factor
    is the slope over all contexts, and one standard error more: predictions are shrunk only where that is called for.
    With fewer than three contexts it is 1.
    """
    n = len(controls)
    if n < FEWEST:
        return 1.0
    penalty = best_setting(_PENALTIES, ridge_weights, controls, changes)
    others = [np.delete(np.arange(n), left_out) for left_out in range(n)]
    predicted = np.stack([ridge_weights(controls[o], controls[i], penalty) @ changes[o] for i, o in enumerate(others)])
    along, squared = (predicted * changes).sum(1), np.square(predicted).sum(1)
    known = squared > 0
    if known.sum() < 2:
        return 1.0
    slopes = along[known] / squared[known]
    error = slopes.std(ddof=1) / np.sqrt(known.sum())
    return float(np.clip(along.sum() / squared.sum() + error, 0.0, 1.0))


def least_squares_weights(controls: NDArray[np.float64], control: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the changes of contexts, one per row of their controls, to predict that of another context.

    The regression has an intercept and no penalty; of its solutions, this is the smallest.
    """
    centre = controls.mean(0)
    dual = np.linalg.lstsq((controls - centre).T, control - centre, rcond=None)[0]
    return np.asarray(1.0 / len(controls) + dual - dual.mean())


def member_effects(
    design: NDArray[np.float64], changes: NDArray[np.float64], n_cells: NDArray[np.int64]
) -> NDArray[np.float64]:
    """One effect per perturbation, perturbations x genes, by least squares over conditions without interactions.

    ``design`` holds the doses in each condition, conditions x perturbations, ``changes`` is conditions x genes, and a
    condition counts by its number of cells. Of several solutions it is the smallest, in which a perturbation that no condition
    has, such as one that is only described, has no effect.
    """
    used = np.flatnonzero(design.any(axis=0))
    effects = np.zeros((design.shape[1], changes.shape[1]))
    effects[used] = _least_squares(design[:, used], changes, n_cells)
    return effects


def _least_squares(
    design: NDArray[np.float64], changes: NDArray[np.float64], n_cells: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Effects of perturbations that occur."""
    weighted = design * n_cells[:, None]
    gram = weighted.T @ design
    diagonal = np.diagonal(gram)
    if np.count_nonzero(gram) == len(gram):
        # No combinations: of thousands of perturbations, the inverse would take minutes
        return np.asarray(weighted.T @ changes / diagonal[:, None])
    return np.asarray(np.linalg.pinv(gram, rcond=1e-10, hermitian=True) @ (weighted.T @ changes))
