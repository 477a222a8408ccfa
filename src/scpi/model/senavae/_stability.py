"""How often an edge of the causal graph is found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi.model.base.prediction._regression import member_effects
from scpi.model.senavae._ordering import order_by_effects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def default_n_edges(n_factors: int) -> int:
    """Number of strongest edges to look for again: two per factor, and at most half of the pairs."""
    return max(1, min(2 * n_factors, n_factors * (n_factors - 1) // 4))


def strongest(adjacency: NDArray[np.float64], n_edges: int) -> NDArray[np.float64]:
    """Sign of the strongest edges, 0 elsewhere."""
    size = np.abs(adjacency).ravel()
    chosen = np.zeros(len(size), dtype=bool)
    chosen[np.argsort(-size, kind="stable")[:n_edges]] = True
    return np.asarray(np.where(chosen.reshape(adjacency.shape), np.sign(adjacency), 0.0))


def edge_frequencies(
    effects: Iterable[NDArray[np.floating]], *, n_edges: int, size_sd: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of the draws in which an edge is among the strongest, with a positive and with a negative weight.

    ``effects`` are total effects of factors on genes, (n_factors, n_genes) each, of different cells. In every draw the
    effects of each factor are multiplied by the exponential of a normal variable with standard deviation ``size_sd``:
    the causal order rests on the assumption that direct effects are of similar size, which no data can test.
    """
    signs = [
        strongest(order_by_effects(drawn * np.exp(rng.normal(0.0, size_sd, size=(len(drawn), 1))))[1], n_edges)
        for drawn in effects
    ]
    return np.mean([sign > 0 for sign in signs], axis=0), np.mean([sign < 0 for sign in signs], axis=0)


def effect_weights(
    shifts: NDArray[np.floating], size: NDArray[np.int64], control: NDArray[np.intp], is_control: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights, effects x groups, with which the means of groups of cells add up to effects.

    ``shifts``, groups x effects, say how much of each effect a group of cells has. Each treated group is compared with
    its ``control`` group, and counts by its number of cells.
    """
    treated = np.flatnonzero(~is_control)
    solution = member_effects(np.asarray(shifts, dtype=np.float64)[treated], np.eye(len(treated)), size[treated])
    weights = np.zeros((shifts.shape[1], len(shifts)))
    weights[:, treated] = solution
    np.subtract.at(weights.T, control[treated], solution.T)
    return weights
