"""Log fold changes that are planted into a screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Parameters of the random graph. With these, about half of the pairs at interaction 1 differ from the sum of their
# single effects by more than a fifth, and additivity still explains most of the change, as in real screens.
_EDGE_PROBABILITY = 0.7
_WEIGHT_RANGE = (0.5, 1.0)
_LARGEST_INDIRECT_EFFECT = 0.8
_SHARE_VISIBLE = 0.7
_THRESHOLD = 0.5
_LOADING_RANGE = (0.5, 1.0)


@dataclass(frozen=True)
class Effects:
    """Effects of all conditions, in units of a fully switched factor."""

    graph: NDArray[np.float64]
    order: NDArray[np.int64]
    direction: NDArray[np.float64]
    """Whether the perturbation of a factor switches it on (1) or off (-1)."""
    levels: NDArray[np.float64]
    loadings: NDArray[np.float64]
    lfc: NDArray[np.float64]
    additive_lfc: NDArray[np.float64]


def respond(inputs: NDArray[np.float64], direction: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Non-linear part of the level of a factor: zero up to a threshold, then rising to one at an input of one.

    A factor that is off can only be switched on (direction 1), and one that is on can only be switched off (direction
    -1).
    """
    return direction * np.clip((direction * inputs - _THRESHOLD) / (1.0 - _THRESHOLD), 0.0, 1.0)


def propagate_levels(
    shifts: NDArray[np.float64],
    graph: NDArray[np.float64],
    order: NDArray[np.int64],
    direction: NDArray[np.float64],
    interaction: float,
) -> NDArray[np.float64]:
    """Levels of the factors (conditions x factors) for given shifts of each factor."""
    levels = np.zeros_like(shifts)
    for factor in order:
        inputs = shifts[:, factor] + levels @ graph[:, factor]
        levels[:, factor] = (1.0 - interaction) * inputs + interaction * respond(inputs, direction[factor])
    return levels


def _draw_graph(
    direction: NDArray[np.float64], order: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64]:
    n = len(direction)
    graph = np.zeros((n, n))
    for position, effect in enumerate(order):
        for cause in order[:position]:
            if rng.random() < _EDGE_PROBABILITY:
                # Most edges push a factor in the direction in which it can be switched; the others are visible only if
                # it is already switched
                visible = 1.0 if rng.random() < _SHARE_VISIBLE else -1.0
                graph[cause, effect] = visible * direction[cause] * direction[effect] * rng.uniform(*_WEIGHT_RANGE)
        # Effects accumulate along paths: keep the linear effect of any other factor below that of the perturbation of
        # the factor
        total = np.linalg.inv(np.eye(n) - graph)[:, effect]
        largest = np.abs(np.delete(total, effect)).max(initial=0.0)
        if largest > _LARGEST_INDIRECT_EFFECT:
            graph[:, effect] *= _LARGEST_INDIRECT_EFFECT / largest
    return graph


def plan_effects(
    design: NDArray[np.bool_],
    programs: NDArray[np.int64],
    n_genes: int,
    *,
    interaction: float,
    rng: np.random.Generator,
) -> Effects:
    """Draw a graph and loadings, and compute the log fold changes of all conditions.

    ``design`` says which perturbation is part of which condition (conditions x perturbations): first the control, then
    the single perturbations in their order. ``programs`` are the indices of the genes of each factor (programs x
    genes), of which the first has the largest loading. ``interaction`` is the fraction of the response that is not
    linear.
    """
    n = design.shape[1]
    direction = np.where(rng.permutation(n) % 2 == 0, 1.0, -1.0)
    order = rng.permutation(n)
    graph = _draw_graph(direction, order, rng)
    loadings = np.zeros((n, n_genes))
    for factor, program in enumerate(programs):
        loadings[factor, program] = rng.uniform(*_LOADING_RANGE, size=len(program))
        loadings[factor, program[0]] = _LOADING_RANGE[1]
    levels = propagate_levels(np.where(design, direction, 0.0), graph, order, direction, interaction)
    lfc = levels @ loadings
    return Effects(
        graph=graph,
        order=order,
        direction=direction,
        levels=levels,
        loadings=loadings,
        lfc=lfc,
        additive_lfc=design @ lfc[1 : n + 1],
    )
