"""P-values of the parts of a change, from models that have learned nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._conformal._hits import conformal_p_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi._explained._explanation import Explanation

# Relative to the statistic: rounding, by which equal ones differ
_ROUNDING = 1e-9


def p_values(explanation: Explanation, n: int, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """P-value of each part by kind, and of the genes: the rank of its statistic among those of ``n`` null models.

    It is never below 1 / (n + 1), or, where the parts of a kind share a null, below 1 / (n x parts + 1).
    """
    observed = explanation.observed()
    if explanation.is_pooled:
        drawn: dict[str, list[NDArray[np.float64]]] = {kind: [] for kind in observed}
        for some in explanation.null(n, rng):
            for kind, values in some.items():
                drawn[kind].append(values.ravel())
        return {
            kind: conformal_p_values(np.concatenate(drawn[kind]), values * (1.0 - _ROUNDING))
            for kind, values in observed.items()
        }
    above = {kind: np.ones(len(values)) for kind, values in observed.items()}
    for some in explanation.null(n, rng):
        for kind, values in some.items():
            own = observed[kind]
            above[kind] += (values >= own - _ROUNDING * np.abs(own)).sum(axis=0)
    return {kind: counts / (n + 1.0) for kind, counts in above.items()}
