"""Measured conditions of the training cells, and which of them are held out together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from scpi._screen._blocks import sum_cells
from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Over = Literal["perturbations", "combinations", "contexts"]
"""What to hold out: perturbations with all their combinations, combinations, or the perturbed cells of contexts."""


class Conditions(NamedTuple):
    """Conditions in contexts, as measured in the training cells."""

    condition: NDArray[np.int64]
    """Code of the condition of each row."""
    context: NDArray[np.int64]
    """Code of its context."""
    members: list[frozenset[str]]
    """Its perturbations."""
    change: NDArray[np.float64]
    """Mean of its cells minus mean of the controls of its context, rows x genes."""

    @property
    def is_combination(self) -> NDArray[np.bool_]:
        """Whether each row has several perturbations."""
        return np.array([len(members) > 1 for members in self.members], dtype=bool)

    def names(self, over: Over) -> list[Any]:
        """Perturbations, combinations or codes of contexts that can be held out, in a fixed order."""
        if over == "contexts":
            return np.unique(self.context).tolist()
        if over == "perturbations":
            return sorted(frozenset().union(*self.members))
        return sorted({members for members in self.members if len(members) > 1}, key=sorted)

    def left_out(self, over: Over, part: Iterable[Any]) -> NDArray[np.bool_]:
        """Rows that are held out with a fold of these names."""
        chosen = frozenset(part)
        if over == "contexts":
            return np.isin(self.context, list(chosen))
        if over == "perturbations":
            return np.array([not chosen.isdisjoint(members) for members in self.members], dtype=bool)
        return np.array([members in chosen for members in self.members], dtype=bool)

    def mean_without(self, over: Over, rows: NDArray[np.intp], left_out: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Mean change as a baseline for each row: of the same condition in other contexts, or of similar conditions."""
        is_combination, found = self.is_combination, np.empty((len(rows), self.change.shape[1]))
        for place, row in enumerate(rows):
            like = ~left_out & (
                self.condition == self.condition[row] if over == "contexts" else is_combination == is_combination[row]
            )
            found[place] = self.change[like if like.any() else ~left_out].mean(axis=0)
        return found


def measure(
    values: Any,
    cells: NDArray[np.int64],
    condition: NDArray[np.int64],
    context: NDArray[np.int64],
    is_control: NDArray[np.bool_],
    members: Sequence[Sequence[str]],
) -> Conditions:
    """Measure the changes of the conditions in rows ``cells`` of ``values``, in contexts that have controls among them.

    ``condition``, ``context`` and ``is_control`` describe each of these cells. ``members`` holds the perturbations of
    each condition.
    """
    controlled, place = np.unique(context[is_control], return_inverse=True)
    used = ~is_control & np.isin(context, controlled)
    pairs, pair = np.unique(np.stack([condition[used], context[used]], axis=1), axis=0, return_inverse=True)
    codes = np.full(values.shape[0], -1, dtype=np.intp)
    codes[cells[used]] = pair.reshape(-1)
    codes[cells[is_control]] = len(pairs) + place
    means = sum_cells(values, codes, len(pairs) + len(controlled))
    means = as_dense(means, np.float64) / np.bincount(codes[codes >= 0])[:, None]
    return Conditions(
        condition=pairs[:, 0],
        context=pairs[:, 1],
        members=[frozenset(members[code]) for code in pairs[:, 0]],
        change=means[: len(pairs)] - means[len(pairs) + np.searchsorted(controlled, pairs[:, 1])],
    )
