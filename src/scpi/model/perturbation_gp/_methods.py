"""Ways to predict effects from features, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.perturbation_gp._effects import Prediction, only_mean
from scpi.model.perturbation_gp._process import gaussian_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._effects import TrainingEffects

# Relative to the mean variance of the kernel
_PENALTIES = np.logspace(-2, 3, 16)
_N_NEIGHBOURS = 3
# Published settings of the linear model
_N_COMPONENTS, _RIDGE = 10, 0.1


def kernel_ridge(data: TrainingEffects) -> Prediction:
    """Kernel ridge regression of all genes, with the penalty under which perturbations predict each other best."""
    found = _eigenvectors(data)
    if found is None:
        return only_mean(data)
    between, values, vectors, scale = found
    rotated = vectors.T @ (data.effects - data.effects.mean(axis=0))
    products = rotated @ rotated.T
    errors = [_left_out_error(values, vectors, products, scale * penalty) for penalty in _PENALTIES]
    shrunk = 1.0 / (values + scale * _PENALTIES[int(np.argmin(errors))])
    return Prediction(data.effects.mean(axis=0), shrunk[:, None] * rotated, between @ vectors)


def gene_ridge(data: TrainingEffects) -> Prediction:
    """Ridge regression of each gene on the features, with a penalty of its own, by generalised cross-validation."""
    found = _eigenvectors(data)
    if found is None:
        return only_mean(data)
    between, values, vectors, scale = found
    rotated = vectors.T @ (data.effects - data.effects.mean(axis=0))
    n = len(values)
    errors = []
    for penalty in scale * _PENALTIES:
        left = penalty / (values + penalty)
        # The intercept takes one degree of freedom
        errors.append(np.square(left[:, None] * rotated).sum(axis=0) / np.square((left.sum() - 1.0) / n))
    penalties = scale * _PENALTIES[np.argmin(errors, axis=0)]
    return Prediction(data.effects.mean(axis=0), rotated / (values[:, None] + penalties), between @ vectors)


def nearest(data: TrainingEffects) -> Prediction:
    """Mean effect of the three known perturbations with the most similar features."""
    similar = data.kernel()
    similar[data.known, np.arange(len(data.known))] = -np.inf
    n = min(_N_NEIGHBOURS, len(data.known))
    places = np.argsort(-similar, axis=1, kind="stable")[:, :n]
    weights = np.zeros(similar.shape)
    np.put_along_axis(weights, places, (np.take_along_axis(similar, places, axis=1) > 0).astype(float), axis=1)
    total = weights.sum(axis=1, keepdims=True)
    weights = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return Prediction(data.effects.mean(axis=0), data.effects - data.effects.mean(axis=0), weights)


def linear(data: TrainingEffects) -> Prediction:
    """Linear model of Ahlmann-Eltze et al. (2025, Nature Methods 22:1657): genes and perturbations in one embedding.

    Genes are described by principal components of the training profiles, and perturbations by those of their gene. The
    mean is predicted for perturbations whose gene is not measured.
    """
    changes = np.vstack([np.zeros(data.effects.shape[1]), data.effects])
    centre = changes.mean(axis=0)
    profiles = (data.control + changes).T
    left, size, _ = np.linalg.svd(profiles - profiles.mean(axis=0), full_matrices=False)
    n = min(_N_COMPONENTS, len(changes) - 1)
    genes = left[:, :n] * size[:n]
    measured = data.gene >= 0
    embedded = np.where(measured[:, None], genes[data.gene], 0.0)
    trained = np.vstack([np.zeros(n), embedded[data.known]])
    ridge = _RIDGE * np.eye(n)
    right = np.linalg.solve(trained.T @ trained + ridge, trained.T @ (changes - centre))
    between = np.linalg.solve(genes.T @ genes + ridge, genes.T @ right.T)
    # The centre, with the control among the profiles, is not the mean of the perturbations
    mean = data.effects.mean(axis=0)
    scores = np.column_stack([embedded @ between.T, measured])
    return Prediction(mean, np.vstack([genes.T, centre - mean]), scores)


METHODS: Mapping[str, Callable[[TrainingEffects], Prediction]] = {
    "scpi": gaussian_process,
    "kernel_ridge": kernel_ridge,
    "gene_ridge": gene_ridge,
    "nearest": nearest,
    "linear": linear,
}
"""Presets of the model."""


def _eigenvectors(
    data: TrainingEffects,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float] | None:
    """Centred similarities of all to the known perturbations, and the eigenvalues, eigenvectors and mean variance of theirs.

    ``None`` where features tell none of the known apart.
    """
    between = data.kernel()
    mean = between[data.known].mean(axis=0)
    between = between - between.mean(axis=1, keepdims=True) - mean + mean.mean()
    between[~data.has_features()] = 0.0
    values, vectors = np.linalg.eigh(between[data.known])
    values = np.maximum(values, 0.0)
    scale = float(values.mean())
    return (between, values, vectors, scale) if scale > 1e-9 else None


def _left_out_error(
    values: NDArray[np.float64], vectors: NDArray[np.float64], products: NDArray[np.float64], penalty: float
) -> float:
    """Squared error of the prediction of each known perturbation from the others, from the products of rotated effects."""
    left = penalty / (values + penalty)
    squared = ((vectors @ (left[:, None] * products * left)) * vectors).sum(axis=1)
    leverage = np.square(vectors) @ (1.0 - left) + 1.0 / len(values)
    return float((squared / np.square(1.0 - leverage)).sum())
