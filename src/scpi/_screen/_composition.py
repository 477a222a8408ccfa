"""What follows from measured conditions for one that was not measured.

One rule for all models. A condition whose perturbations were measured together is read between their doses: linearly in
the logarithm of dose plus 1, from nothing at dose 0, and as at the largest dose beyond it. One whose perturbations were
not measured together is the sum of its members, each of which must have been measured alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._labels import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def same_members(levels: NDArray[np.floating[Any]], doses: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Levels (n_levels, n_perturbations) with the perturbations of a condition (n_perturbations,), at any dose."""
    return np.flatnonzero(((levels != 0) == (doses != 0)).all(axis=1))


def dose_weights(levels: NDArray[np.floating[Any]], doses: NDArray[np.floating[Any]]) -> NDArray[np.float64] | None:
    r"""Weights of measured doses (n_levels, n_members) at others (n_members,), all above 0.

    A dose between two levels :math:`a < b` has the weight :math:`(\log(1 + d) - \log(1 + a)) / (\log(1 + b) - \log(1 +
    a))` of the upper one, and the rest of the lower one. Where all members have one dose, the least level is 0, where
    there is no change. Where members have doses of their own, levels count that differ from the condition in one member
    only; its dose must not be below the least of these. The weights (n_levels,) sum to 1, or to less where the dose is
    below the least level; ``None`` if the levels say nothing of these doses.

    Examples
    --------
    >>> dose_weights(np.array([[1.0], [3.0]]), np.array([1.0])).tolist()
    [1.0, 0.0]
    >>> dose_weights(np.array([[1.0], [3.0]]), np.array([9.0])).tolist()
    [0.0, 1.0]
    """
    levels, doses = np.asarray(levels, dtype=np.float64), np.asarray(doses, dtype=np.float64)
    weights = np.zeros(len(levels))
    exact = np.flatnonzero((levels == doses).all(axis=1))
    if len(exact):
        weights[exact[0]] = 1.0
        return weights
    shared = np.flatnonzero((levels == levels[:, :1]).all(axis=1)) if (doses == doses[0]).all() else exact
    if len(shared):
        _between(weights, shared, levels[shared, 0], float(doses[0]), from_zero=True)
        return weights
    for member in range(levels.shape[1]):
        others = np.arange(levels.shape[1]) != member
        line = np.flatnonzero((levels[:, others] == doses[others]).all(axis=1))
        if len(line) and doses[member] > levels[line, member].min():
            _between(weights, line, levels[line, member], float(doses[member]), from_zero=False)
            return weights
    return None


def _between(
    weights: NDArray[np.float64], rows: NDArray[np.intp], at: NDArray[np.float64], dose: float, *, from_zero: bool
) -> None:
    """Set the weights of levels on a line, whose doses are ``at``, for one dose on it."""
    order = np.argsort(at, kind="stable")
    rows, knots = rows[order], np.log1p(at[order])
    if from_zero:
        rows, knots = np.append(-1, rows), np.append(0.0, knots)
    place = float(np.clip(np.log1p(dose), knots[0], knots[-1]))
    upper = int(np.clip(np.searchsorted(knots, place), 1, len(knots) - 1)) if len(knots) > 1 else 0
    lower = max(upper - 1, 0)
    span = knots[upper] - knots[lower]
    fraction = (place - knots[lower]) / span if span > 0 else 1.0
    if rows[lower] >= 0:
        weights[rows[lower]] = 1.0 - fraction
    weights[rows[upper]] = fraction


def members_alone(doses: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Doses of each member of a condition (n_perturbations,) without the others, (n_members, n_perturbations)."""
    members = np.flatnonzero(doses)
    alone = np.zeros((len(members), len(doses)), dtype=np.asarray(doses).dtype)
    alone[np.arange(len(members)), members] = doses[members]
    return alone


def compose(
    doses: NDArray[np.floating[Any]],
    measured: Callable[[NDArray[np.float64]], NDArray[np.float64] | None],
    *,
    names: Sequence[str],
    where: str = "",
) -> NDArray[np.float64] | None:
    """Change under a condition: as it was measured, or the sum of the changes under its members.

    ``measured`` gives the change under doses (n_perturbations,) at which perturbations were measured together, or
    ``None`` where they were not. The change is ``None`` for the control. A `ValueError` names members that were not
    measured alone, and ``where``, the training cells among which they were looked for.
    """
    row = np.asarray(doses, dtype=np.float64)
    members = np.flatnonzero(row).tolist()
    if not members:
        return None
    found = measured(row)
    if found is not None:
        return found
    parts = [measured(one) for one in members_alone(row)] if len(members) > 1 else [None]
    missing = [names[member] for member, part in zip(members, parts, strict=True) if part is None]
    if missing:
        msg = (
            f"No training cell{where} has {quoted(missing)} alone: a condition that was not measured is the sum of its "
            "members, each of which must be."
        )
        raise ValueError(msg)
    return np.sum([part for part in parts if part is not None], axis=0)


def composed_weights(
    levels: NDArray[np.floating[Any]],
    doses: NDArray[np.floating[Any]],
    *,
    names: Sequence[str],
    where: str = "",
) -> NDArray[np.float64]:
    """Weights (n_levels,) of measured conditions, whose weighted sum is the change under any doses; 0 for the control.

    ``levels`` are the doses in each measured condition, (n_levels, n_perturbations); the rest is as of :func:`compose`.
    """
    levels = np.asarray(levels, dtype=np.float64)

    def measured(row: NDArray[np.float64]) -> NDArray[np.float64] | None:
        same, used = same_members(levels, row), row != 0
        found = dose_weights(levels[same][:, used], row[used]) if len(same) else None
        if found is None:
            return None
        weights = np.zeros(len(levels))
        weights[same] = found
        return weights

    found = compose(doses, measured, names=names, where=where)
    return np.zeros(len(levels)) if found is None else found
