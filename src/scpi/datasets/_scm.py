"""Structural causal models with shift interventions, the common core of the simulators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mechanism = Literal["linear", "relu"]
GraphKind = Literal["chain", "erdos_renyi"]


def check_choice(value: str, choices: object, name: str) -> None:
    """Raise an error for a value that is not a member of a `Literal`."""
    known = get_args(choices)
    if value not in known:
        msg = f"`{name}` must be one of {', '.join(map(repr, known))}, but is {value!r}."
        raise ValueError(msg)


def draw_graph(
    n_factors: int,
    *,
    kind: GraphKind,
    edge_probability: float,
    weight_range: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw the weights of an acyclic graph (source x target), and its factors from cause to effect.

    The order is random, so that the index of a factor contains no information about its position.
    """
    check_choice(kind, GraphKind, "graph")
    order = rng.permutation(n_factors)
    ordered = np.zeros((n_factors, n_factors))
    if kind == "chain":
        ordered[np.arange(n_factors - 1), np.arange(1, n_factors)] = 1.0
    else:
        upper = np.triu_indices(n_factors, k=1)
        present = rng.random(len(upper[0])) < edge_probability
        if edge_probability > 0 and len(present) and not present.any():
            # Every score of a graph without edges would be undefined
            present[rng.integers(len(present))] = True
        weights = rng.uniform(*weight_range, size=len(present)) * rng.choice([-1.0, 1.0], size=len(present))
        ordered[upper] = present * weights
    graph = np.zeros_like(ordered)
    graph[np.ix_(order, order)] = ordered
    return graph, order


def propagate(
    exogenous: NDArray[np.float64], graph: NDArray[np.float64], order: NDArray[np.int64], mechanism: Mechanism
) -> NDArray[np.float64]:
    """Causal variables (observations x factors) of exogenous ones; causes act linearly, or only where positive."""
    causal = exogenous.copy()
    for position, factor in enumerate(order):
        parents = order[:position]
        values = causal[:, parents]
        if mechanism == "relu":
            values = np.maximum(values, 0.0)
        causal[:, factor] += values @ graph[parents, factor]
    return causal
