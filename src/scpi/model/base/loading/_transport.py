"""Optimal transport between control and treated cells, and the pairs of cells that follow from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from scpi._optional import import_extra
from scpi._rng import as_generator
from scpi._screen._matrix import dense_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

PlanMethod = Literal["exact", "entropic"]
Pairing = Literal["largest", "assignment", "sample"]

# Pivots of the exact solver: far more than it needs for the largest plans that are made here
_MAX_PIVOTS = 10_000_000
_MAX_SWEEPS = 2_000


class CellPairs(NamedTuple):
    """Positions of paired cells in the data."""

    source: NDArray[np.int64]
    """Control cells, (n_pairs,)."""
    target: NDArray[np.int64]
    """Treated cell of each, (n_pairs,)."""


def transport_plan(
    source: NDArray[np.floating[Any]],
    target: NDArray[np.floating[Any]],
    *,
    method: PlanMethod = "exact",
    squared: bool = False,
    regularisation: float = 0.05,
) -> NDArray[np.float64]:
    """Cheapest mass from each source to each target, (n_source, n_target), with uniform masses; it sums to 1.

    ``source`` and ``target`` are cells x components; costs are distances, or squared ones. ``"exact"`` is the optimum,
    by the network simplex (Bonneel et al., ACM Trans. Graph. 2011), in time that grows faster than the product of the
    numbers of cells; ``"entropic"`` that less an entropy, weighted by ``regularisation`` as a fraction of the mean
    cost, by Sinkhorn's iterations (Cuturi, NeurIPS 2013).
    """
    _check_cells(source, target)
    if method not in ("exact", "entropic"):
        msg = f"`method` must be 'exact' or 'entropic', got {method!r}."
        raise ValueError(msg)
    if not regularisation > 0:
        msg = f"`regularisation` must be above 0, got {regularisation}."
        raise ValueError(msg)
    cost = cdist(source, target, "sqeuclidean" if squared else "euclidean")
    masses = tuple(np.full(n_cells, 1.0 / n_cells) for n_cells in cost.shape)
    # Cells that are all the same cost nothing to carry, in whatever way
    scale = float(cost.mean())
    if scale == 0.0:
        return np.outer(*masses)
    cost /= scale
    ot = import_extra("ot")
    if method == "exact":
        return np.asarray(ot.emd(*masses, cost, numItermax=_MAX_PIVOTS))
    # In logarithms, for the plain iterations underflow where the entropy counts little
    plan = ot.sinkhorn(*masses, cost, regularisation, method="sinkhorn_log", numItermax=_MAX_SWEEPS, warn=False)
    return np.asarray(plan)


def pair_cells(
    plan: NDArray[np.floating[Any]], how: Pairing = "largest", *, rng: int | np.random.Generator | None = 0
) -> NDArray[np.int64]:
    """One target for each source of a plan (n_source, n_target); -1 for a source that is left over.

    ``"largest"``: the target that gets most of the mass of a source, the first of equals, so that targets may serve
    several sources or none. ``"assignment"``: each target at most once, such that the pairs carry the most mass
    together (Hungarian method). ``"sample"``: a target drawn from the mass of a source.
    """
    if how == "largest":
        return plan.argmax(1).astype(np.int64)
    if how == "assignment":
        targets = np.full(len(plan), -1, dtype=np.int64)
        rows, columns = linear_sum_assignment(plan, maximize=True)
        targets[rows] = columns
        return targets
    if how != "sample":
        msg = f"`how` must be 'largest', 'assignment' or 'sample', got {how!r}."
        raise ValueError(msg)
    reached = np.cumsum(plan, axis=1)
    drawn = as_generator(rng).random(len(plan)) * reached[:, -1]
    # The first target whose cumulative mass is above the draw; one without mass is never above it first
    return (reached <= drawn[:, None]).sum(1).clip(max=plan.shape[1] - 1).astype(np.int64)


def pair_by_stratum(
    x: Any,
    control: NDArray[np.integer],
    treated: NDArray[np.integer],
    strata_control: NDArray[np.integer],
    strata_treated: NDArray[np.integer],
    *,
    n_components: int | None = 50,
    method: PlanMethod = "exact",
    squared: bool = False,
    regularisation: float = 0.05,
    how: Pairing = "largest",
    max_cells: int = 5000,
    rng: int | np.random.Generator | None = 0,
) -> CellPairs:
    """Pair control cells with treated cells of their own stratum, such as a context, by optimal transport.

    Transport within a stratum is between all of its cells while it has at most ``max_cells`` controls and treated cells
    (in the geometric mean; a plan of 5,000 x 5,000 takes 0.2 GB). Larger strata are divided at random into equal parts,
    as many as that takes, and each part of the controls is paired with one of the treated cells: every control cell
    still gets a partner, and the cost grows with the number of parts rather than with its square. Cao et al., Nat.
    Commun. 2024, pair the cells of a cell type in this way.

    ``control`` and ``treated`` are positions in ``x``, and the pairs too, in the order of the strata; those without
    controls or without treated cells have none. Distances are taken in ``n_components`` principal components of
    controls and treated cells together, or in ``x`` itself if ``None``. Further arguments are those of
    :func:`transport_plan` and :func:`pair_cells`.
    """
    generator = as_generator(rng)
    if len(control) != len(strata_control) or len(treated) != len(strata_treated):
        msg = "Every control and every treated cell needs the code of its stratum."
        raise ValueError(msg)
    if max_cells < 1:
        msg = f"`max_cells` must be at least 1, got {max_cells}."
        raise ValueError(msg)
    sources, targets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for stratum in np.intersect1d(strata_control, strata_treated):
        sides = control[strata_control == stratum], treated[strata_treated == stratum]
        for first, second in _parts(*sides, max_cells=max_cells, rng=generator):
            values = _components(dense_rows(x, np.concatenate([first, second])), n_components, generator)
            plan = transport_plan(
                values[: len(first)],
                values[len(first) :],
                method=method,
                squared=squared,
                regularisation=regularisation,
            )
            partner = pair_cells(plan, how, rng=generator)
            found = partner >= 0
            sources.append(first[found].astype(np.int64))
            # Partners count from the first treated cell of the part, not of the data
            targets.append(second[partner[found]].astype(np.int64))
    return CellPairs(np.concatenate(sources), np.concatenate(targets))


def pair_conditions(
    x: Any,
    control: NDArray[np.int64],
    treated: NDArray[np.int64],
    conditions: NDArray[np.int64],
    strata: NDArray[np.int64],
    *,
    each: str = "control",
    **kwargs: Any,
) -> CellPairs:
    """Pair controls with treated cells by :func:`pair_by_stratum`, condition by condition.

    ``conditions`` are those of the treated cells, ``strata`` those of all cells of ``x``. Each ``"control"`` gets a
    treated cell of every condition, or each ``"treated"`` cell a control. Pairs are positions in ``x``, in the order of
    the conditions.
    """
    empty = np.zeros(0, dtype=np.int64)
    sources, targets = [empty], [empty]
    for code in np.unique(conditions):
        sides = [control, treated[conditions == code]]
        if each == "treated":
            sides.reverse()
        first, second = pair_by_stratum(x, *sides, *(strata[side] for side in sides), **kwargs)
        sources.append(first if each == "control" else second)
        targets.append(second if each == "control" else first)
    return CellPairs(np.concatenate(sources), np.concatenate(targets))


def _check_cells(source: NDArray[np.floating[Any]], target: NDArray[np.floating[Any]]) -> None:
    """Transport needs cells on both sides, with the same components."""
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1] or not len(source) or not len(target):
        msg = f"`source` and `target` must be cells x the same components, got {source.shape} and {target.shape}."
        raise ValueError(msg)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        msg = "`source` and `target` must be finite."
        raise ValueError(msg)


def _parts(
    first: NDArray[np.integer], second: NDArray[np.integer], *, max_cells: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """Both sides whole, or parts of them drawn at random where they are too large."""
    n_parts = math.ceil(math.sqrt(len(first) * len(second)) / max_cells)
    n_parts = min(n_parts, len(first), len(second))
    if n_parts == 1:
        yield first, second
        return
    sides = (np.array_split(rng.permutation(side), n_parts) for side in (first, second))
    yield from zip(*sides, strict=True)


def _components(
    values: NDArray[np.floating[Any]], n_components: int | None, rng: np.random.Generator
) -> NDArray[np.floating[Any]]:
    """Principal components of cells, or the cells where there are not more values than components."""
    if n_components is None or n_components >= min(values.shape):
        return values
    seed = int(rng.integers(2**31))
    return np.asarray(PCA(n_components, random_state=seed).fit_transform(values))
