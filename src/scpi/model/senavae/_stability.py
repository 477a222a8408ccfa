"""Stability of the edges of the causal graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.model.base.effects._regression import member_effects
from scpi.model.senavae._grouping import factor_effects, unmix
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


class Lead(NamedTuple):
    """Perturbation by which each factor of a model is found again in another sample of the cells."""

    perturbation: NDArray[np.intp]
    """Row of the effects of perturbations; -1 for a factor that no perturbation acts on."""
    sign: NDArray[np.float64]
    """Sign of its strength."""


def leads(factor: NDArray[np.intp], strength: NDArray[np.floating], n_factors: int) -> Lead:
    """Strongest perturbation of each factor; ``factor`` and ``strength`` are those of the perturbations."""
    first, sign = np.full(n_factors, -1), np.zeros(n_factors)
    weakest_first = np.argsort(np.abs(strength), kind="stable")
    first[factor[weakest_first]] = weakest_first
    sign[factor[weakest_first]] = np.sign(strength[weakest_first])
    return Lead(first, sign)


class HalfGraphs:
    """Graphs from effects of perturbations on genes, in the numbering of the factors of a model.

    The perturbations are grouped into factors anew, and the factors are compared by their standard deviation in
    ``controls``, (n_cells, n_genes), where these are given, else by the mean strength of the perturbations on them.
    """

    def __init__(
        self, lead: Lead, *, precision: NDArray[np.floating], controls: NDArray[np.floating] | None, n_edges: int
    ) -> None:
        self.lead = lead
        self.precision = precision
        self.controls = controls
        self.n_edges = n_edges

    def signs(self, changes: NDArray[np.floating], *, size_sd: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Sign of the strongest edges, 0 elsewhere; ``changes`` are (n_perturbations, n_genes)."""
        n_factors = len(self.lead.perturbation)
        factor, strength, effects = factor_effects(changes, n_factors, precision=self.precision)
        used, factor = np.unique(factor, return_inverse=True)
        effects = effects[used]
        if self.controls is not None:
            effects = effects * unmix(self.controls, effects)[2][:, None]
        effects = effects * np.exp(rng.normal(0.0, size_sd, size=(len(effects), 1)))
        found = strongest(order_by_effects(effects)[1], self.n_edges)
        own = factor[self.lead.perturbation]
        flip = np.where(self.lead.perturbation < 0, 0.0, self.lead.sign * np.sign(strength[self.lead.perturbation]))
        return np.asarray(found[np.ix_(own, own)] * np.outer(flip, flip))


def edge_frequencies(
    graphs: HalfGraphs, changes: Iterable[NDArray[np.floating]], *, size_sd: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fraction of the draws in which an edge is among the strongest, with a positive and with a negative weight.

    ``changes`` under perturbations, (n_perturbations, n_genes) each, are those of different cells. In every draw the
    effects of each factor are multiplied by the exponential of a normal variable with standard deviation ``size_sd``:
    the causal order rests on the assumption that direct effects are of similar size, which no data can test.
    """
    signs = np.stack([graphs.signs(drawn, size_sd=size_sd, rng=rng) for drawn in changes])
    return (signs > 0).mean(0), (signs < 0).mean(0)


def effect_weights(
    design: NDArray[np.floating], size: NDArray[np.int64], control: NDArray[np.intp], is_control: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weights, perturbations x groups, with which the means of groups of cells add up to effects of perturbations.

    ``design``, groups x perturbations, holds the doses. Each treated group is compared with
    its ``control`` group, and counts by its number of cells.
    """
    treated = np.flatnonzero(~is_control)
    solution = member_effects(np.asarray(design, dtype=np.float64)[treated], np.eye(len(treated)), size[treated])
    weights = np.zeros((design.shape[1], len(design)))
    weights[:, treated] = solution
    np.subtract.at(weights.T, control[treated], solution.T)
    return weights
