"""Causal order and graph of factors from their effects on genes.

Interventions that shift the noise of a linear model move the mean along the rows of ``B = (I - G)^-1 A`` and leave the
covariance alone, so that the graph G and the mixing A are identified up to their product only. What settles the matter
here is an assumption on the mixing: the direct effects of different factors on the genes are unrelated and of similar
size, as they are for a random mixing into many genes. Then B is a linear structural model of equal error variances over
the factors, with the genes as its samples, and the order follows from the sizes of its residuals (Chen, Drton & Wang,
2019, Biometrika 106:973). A factor without children has the smallest effect, for it has direct effects only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def order_by_effects(
    effects: NDArray[np.floating], *, ridge: float = 0.01
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Order factors from causes to consequences, with the graph that explains their effects best.

    ``effects`` are the total effects of factors on genes, (n_factors, n_genes), on a scale on which direct effects are
    of similar size. ``ridge`` is the penalty on the edges, as a fraction of the mean squared size of an effect; it
    keeps factors without effects, which carry no information, from entering the graph with large weights.

    Returns the factors in causal order, and the adjacency matrix in the given numbering of factors, in which (i, j) is
    the effect of factor i on factor j; it is strictly upper triangular in the causal order.
    """
    effects = np.asarray(effects, dtype=np.float64)
    n_factors = len(effects)
    adjacency = np.zeros((n_factors, n_factors))
    remaining = list(range(n_factors))
    downstream: list[int] = []
    residuals = effects.copy()
    # Never zero: effects that are all zero have no edges.
    penalty = ridge * np.square(effects).sum(1).mean() + np.finfo(np.float64).tiny
    while remaining:
        sizes = np.einsum("ij,ij->i", residuals[remaining], residuals[remaining])
        factor = remaining.pop(int(np.argmin(sizes)))
        if downstream:
            children = effects[downstream]
            gram = children @ children.T + penalty * np.eye(len(downstream))
            adjacency[factor, downstream] = np.linalg.solve(gram, children @ effects[factor])
        downstream.append(factor)
        norm = np.linalg.norm(residuals[factor])
        if norm > 0:
            direction = residuals[factor] / norm
            residuals[remaining] -= np.outer(residuals[remaining] @ direction, direction)
    return np.array(downstream[::-1], dtype=np.int64), adjacency
