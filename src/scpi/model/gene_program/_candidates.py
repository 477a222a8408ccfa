"""Candidates for initial units: non-negative factors, and both directions of principal components."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_ITER = 200
# Factors for each unit
_SPARE = 1.25
_LEAST = 1e-8
# With so few units, programs need all of them
_FEWEST_FACTORS = 8
# Two units whose correlation is higher stand for the same thing
_SAME = 0.7

Units = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


def starting_units(logged: NDArray[np.float32], n_units: int) -> Units:
    """Units, (n_cells, n_units), and their weights for the genes, from ``logged``, (n_cells, n_genes).

    Factors and components take turns, those that explain most first, and none that repeats another one. Factors are
    parts that cells are made of, and find programs that overlap and types of cells. Components find what cuts across
    them, such as a response of all cell types, which factors divide among the types; with few units, there are none of
    them. Where there are too few of both, the rest of the units are 0.
    """
    n_components = min(n_units // 2, max(n_units - _FEWEST_FACTORS, 0))
    sources = [_factors(logged, n_units), _components(logged, n_components)]
    units = np.concatenate([units for units, _ in sources], axis=1)
    weights = np.concatenate([weights for _, weights in sources])
    explained = np.square(units).sum(0) * np.square(weights).sum(1)
    order = np.argsort(-explained, kind="stable")
    is_factor = order < len(sources[0][1])
    turns = [list(order[is_factor]), list(order[~is_factor][:n_components])]
    alike = _correlations(units) > _SAME
    kept: list[int] = []
    while len(kept) < n_units and any(turns):
        candidate = int((turns[0] or turns[1]).pop(0))
        if explained[candidate] > _LEAST * explained.max() and not alike[candidate, kept].any():
            kept.append(candidate)
            turns.reverse()
    # An effect shared by most genes reflects the depth of the cell, not a program
    weights = weights[kept] - np.median(weights[kept], axis=1, keepdims=True)
    missing = n_units - len(kept)
    return np.pad(units[:, kept], ((0, 0), (0, missing))), np.pad(weights, ((0, missing), (0, 0)))


def _factors(logged: NDArray[np.float32], n_units: int) -> Units:
    """Factors that vary most for their mean: those that all cells have stand for the level of the genes."""
    n_factors = min(math.ceil(_SPARE * n_units), *logged.shape)
    model = NMF(n_factors, init="nndsvda", max_iter=_MAX_ITER, tol=1e-4, random_state=0)
    with warnings.catch_warnings():
        # The factors are a start, and need not have settled
        warnings.simplefilter("ignore", ConvergenceWarning)
        units = model.fit_transform(logged)
    variation = units.std(axis=0) / np.maximum(units.mean(axis=0), _LEAST)
    kept = np.sort(np.argsort(-variation, kind="stable")[:n_units])
    return units[:, kept].astype(np.float64), model.components_[kept].astype(np.float64)


def _components(logged: NDArray[np.float32], n_units: int) -> Units:
    """Both directions, from the median cell, of principal components."""
    if n_units == 0:
        return np.zeros((len(logged), 0)), np.zeros((0, logged.shape[1]))
    model = PCA(min(n_units, *logged.shape), random_state=0)
    scores = model.fit_transform(logged).astype(np.float64)
    above = scores - np.median(scores, axis=0)
    weights = model.components_.astype(np.float64)
    return np.maximum(np.concatenate([above, -above], axis=1), 0.0), np.concatenate([weights, -weights])


def _correlations(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations of the units, 0 for those that do not vary."""
    centred = units - units.mean(0)
    deviation = np.sqrt(np.square(centred).sum(0))
    return centred.T @ centred / np.maximum(np.outer(deviation, deviation), _LEAST)
