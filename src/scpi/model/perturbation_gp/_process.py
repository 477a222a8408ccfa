"""A Gaussian process from features of perturbations to their effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._matrix import as_dense
from scpi.model.perturbation_gp._effects import Prediction, only_mean
from scpi.model.perturbation_gp._evidence import centred_scale, learn, projection
from scpi.model.perturbation_gp._response import take_response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._effects import TrainingEffects
    from scpi.model.perturbation_gp._evidence import Hyperparameters
    from scpi.model.perturbation_gp._response import Response

# Perturbations that weights are learned from, at most, and that there must be
_MOST, _FEWEST = 400, 5


def gaussian_process(data: TrainingEffects) -> Prediction:
    """Predict effects by a Gaussian process on a weighted sum of the kernels of the sources, in few components.

    What is predicted is shrunk by how well perturbations that are left out are predicted, down to the mean.
    """
    known, data = data.known, data.without_own_genes()
    response = take_response(data.effects, data.errors) if len(known) >= _FEWEST else None
    grams = {name: gram(values[known]) for name, values in data.sources.items()}
    used = [name for name, kernel in grams.items() if np.abs(kernel).sum() > np.trace(kernel) * (1 + 1e-6)]
    scales = {name: centred_scale(grams[name]) for name in used}
    used = [name for name in used if scales[name] > 0]
    if response is None or not used:
        return only_mean(data)
    kernels = [grams[name] / scales[name] for name in used]
    found = _learned(kernels, response)
    combined = sum(weight * kernel for weight, kernel in zip(found.weights, kernels, strict=True))
    fitted = found.strength * np.asarray(combined)
    inverse = projection(fitted + np.diag(1.0 + response.noise))
    dual = inverse @ response.scores
    left_out = leave_one_out(response.scores, dual, inverse)
    slope = calibrate(left_out, response)
    scores = np.zeros((data.n_perturbations, dual.shape[1]))
    explained = {
        name: found.strength * float(weight) / scales[name] for name, weight in zip(used, found.weights, strict=True)
    }
    for name, factor in explained.items():
        values = data.sources[name]
        scores += factor * as_dense(values @ as_dense(values[known].T @ dual))
    deviation = slope * (scores - (fitted @ dual).mean(axis=0))
    deviation[~data.has_features()] = 0.0
    return Prediction(
        response.mean,
        response.axes,
        deviation,
        left_out=slope * left_out,
        weights=dict.fromkeys(data.sources, 0.0) | dict(zip(used, found.weights.tolist(), strict=True)),
        calibration=slope,
        explained=explained,
        noise=response.noise,
    )


def gram(values: Any) -> NDArray[np.float64]:
    """Products of the rows of a matrix, dense or sparse, with 1 for each row and itself.

    What is missing to 1, in a row that is shorter or has no features, is what it has in common with no other.
    """
    products = as_dense(values @ values.T, np.float64)
    np.fill_diagonal(products, np.maximum(np.diag(products), 1.0))
    return products


def _learned(kernels: list[NDArray[np.float64]], response: Response) -> Hyperparameters:
    """Weights and strength, from at most 400 perturbations."""
    scores, noise = response.scores, response.noise
    if len(scores) > _MOST:
        some = np.sort(np.random.default_rng(0).choice(len(scores), _MOST, replace=False))
        kernels = [kernel[np.ix_(some, some)] for kernel in kernels]
        scores, noise = scores[some], noise[some]
    return learn(kernels, scores, noise, response.importance)


def leave_one_out(
    scores: NDArray[np.float64], dual: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What is predicted of each point from the others, less the mean of the others.

    With the weights of the kernels held, and the common mean estimated anew each time.
    """
    predicted = scores - dual / np.diag(inverse)[:, None]
    return np.asarray(predicted + scores / (len(scores) - 1))


def calibrate(left_out: NDArray[np.float64], response: Response) -> float:
    """Factor from 0 to 1 by which predictions are too large: a slope less its standard error, 0 where that is negative.

    The deviations of perturbations that were left out are regressed on the predicted ones, without an intercept.
    """
    n = len(left_out)
    real = response.deviation * n / (n - 1)
    heard = 1.0 / (1.0 + response.noise)
    along, squared = (left_out * real).sum(axis=1) * heard, np.square(left_out).sum(axis=1) * heard
    total = squared.sum()
    if total <= 0:
        return 0.0
    slope = along.sum() / total
    error = np.sqrt(np.square(along - slope * squared).sum()) / total
    return float(np.clip(slope - error, 0.0, 1.0))
