"""Fractions of counts to keep or to add, so that cells have a given mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.model.base.counts._expected import raised_level, thinned_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scpi.model.base.counts._cells import Cells, Classes, Places

    Floats = NDArray[np.float64]

_N_STEPS = 12
# Relative to the difference that is to be made
_TOLERANCE = 5e-3
# Relative to the level
_ROUNDING = 1e-6
# Doublings of the first guess of what is added: a gene may be too bursty for any amount to reach the level
_N_DOUBLINGS = 6


class Change(NamedTuple):
    """What becomes of the counts of each gene: those that are kept, or what is added to them."""

    kept: Floats
    """Probability with which each count is kept, (n_genes,)."""
    added: Floats
    """What is added to the mean of the scaled counts, (n_genes,)."""


def rates(counts: Floats, unit: Floats, mean: Floats, theta: Floats) -> Floats:
    """Expected count of a cell for each unit of the mean of a gene on the linear scale.

    The rate of a cell, of which one count is known, has a gamma prior with the ``mean`` of the gene and the shape
    ``theta``.
    """
    return (counts + theta) / (mean + theta * unit)


def match_means(cells: Cells, change: Floats, theta: Floats) -> Change:
    """Find the change of counts under which the mean of the registered expression changes by a given amount.

    ``change`` and ``theta``, the inverse overdispersion, are (n_genes,). A mean below 0 cannot be reached, and becomes 0.
    """
    return _match_sums(cells, change) if cells.is_linear else _match_levels(cells, change, theta)


def _match_sums(cells: Cells, change: Floats) -> Change:
    mean = cells.mean
    kept = np.clip(1.0 + np.divide(change, mean, out=np.zeros_like(mean), where=mean > 0), 0.0, 1.0)
    return Change(kept, np.maximum(change, 0.0))


def _match_levels(cells: Cells, change: Floats, theta: Floats) -> Change:
    """Where the registered expression is log1p of the scaled counts."""
    n_cells, n_genes = cells.counts.shape
    kept, added = np.ones(n_genes), np.zeros(n_genes)
    if not cells.unit.any():
        # Cells without counts have no depth to draw at
        return Change(kept, added)
    classes = cells.classes
    # The classes have the level of their mean unit
    level = np.bincount(
        classes.gene, weights=classes.n_cells * np.log1p(classes.unit * classes.counts), minlength=n_genes
    )
    target = np.maximum(level + n_cells * change, 0.0)
    # Means in single precision are changed by nothing in the last digits
    rounding = _ROUNDING * level
    down, up = target < level - rounding, target > level + rounding
    kept[down] = _kept(classes.take(down), target[down], level[down])
    added[up] = _added(classes.take(up), target[up], level[up], mean=cells.mean[up], theta=theta[up])
    return Change(kept, added)


def _kept(classes: Classes, target: Floats, level: Floats) -> Floats:
    """Probability with which counts are kept, for sums of levels over the cells."""
    none = np.zeros(len(target))

    def reached(kept: Floats, of: Classes, genes: Places) -> Floats:
        return of.n_cells * thinned_level(of.counts, of.unit, kept[of.gene])

    classes = classes._replace(n_cells=np.where(classes.counts > 0, classes.n_cells, 0.0))
    return _root(reached, classes, target, none, np.ones(len(target)), none - target, level - target, level - target)


def _added(classes: Classes, target: Floats, level: Floats, *, mean: Floats, theta: Floats) -> Floats:
    """What is added to the mean on the linear scale, for sums of levels over the cells."""

    def reached(added: Floats, of: Classes, genes: Places) -> Floats:
        gene = genes[of.gene]
        rate = rates(of.counts, of.unit, mean[gene], theta[gene])
        return of.n_cells * raised_level(of.counts, of.unit, added[of.gene] * rate, of.counts + theta[gene])

    n_cells = np.bincount(classes.gene, weights=classes.n_cells, minlength=len(target))
    low, high = np.zeros(len(target)), np.expm1(target / n_cells)
    below, above = level - target, np.full(len(target), -1.0)
    for _ in range(_N_DOUBLINGS):
        short = np.flatnonzero(above < 0)
        if len(short) == 0:
            break
        mask = above < 0
        part = classes.take(mask)
        value = np.bincount(part.gene, weights=reached(high[mask], part, short), minlength=len(short)) - target[mask]
        above[mask] = value
        still = short[value < 0]
        low[still], below[still] = high[still], value[value < 0]
        high[still] *= 2.0
    return _root(reached, classes, target, low, high, below, above, target - level)


def _root(
    function: Callable[[Floats, Classes, Places], Floats],
    classes: Classes,
    target: Floats,
    low: Floats,
    high: Floats,
    below: Floats,
    above: Floats,
    start: Floats,
) -> Floats:
    """Where increasing functions reach their targets, to a fraction of ``start``, by the method of Illinois."""
    result = high.copy()
    genes, side = np.arange(len(target)), np.zeros(len(target))
    low, high, below, above = low.copy(), high.copy(), below.copy(), above.copy()
    for _ in range(_N_STEPS):
        if len(genes) == 0:
            break
        point = np.where(above > below, low - below * (high - low) / np.where(above > below, above - below, 1.0), high)
        value = np.bincount(classes.gene, weights=function(point, classes, genes), minlength=len(genes)) - target[genes]
        result[genes] = point
        is_below = value < 0
        above = np.where(is_below, np.where(side < 0, above / 2.0, above), value)
        below = np.where(is_below, value, np.where(side > 0, below / 2.0, below))
        low, high = np.where(is_below, point, low), np.where(is_below, high, point)
        side = np.where(is_below, -1.0, 1.0)
        going = np.abs(value) > _TOLERANCE * start[genes]
        genes = genes[going]
        side, low, high, below, above = (x[going] for x in (side, low, high, below, above))
        classes = classes.take(going)
    return result
