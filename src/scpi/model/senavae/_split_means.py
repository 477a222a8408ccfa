"""Means of groups of cells in random parts, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_BLOCK = 2000


class Groups(NamedTuple):
    """Training cells by context and condition, with controls in every context."""

    cells: list[NDArray[np.int64]]
    """Cells of each group."""
    context: NDArray[np.int64]
    """Context of each group."""
    is_control: NDArray[np.bool_]
    """Whether it is the controls of its context."""
    design: NDArray[np.float64]
    """Doses of the single perturbations, groups x perturbations."""

    def control_of(self) -> NDArray[np.intp]:
        """Index of the controls of the context of each group."""
        controls = np.flatnonzero(self.is_control)
        found = np.searchsorted(self.context[controls], self.context)
        return np.asarray(controls[found])

    @property
    def size(self) -> NDArray[np.int64]:
        """Number of cells in each group."""
        return np.array([len(cells) for cells in self.cells], dtype=np.int64)


def group_cells(
    cells: NDArray[np.int64],
    *,
    context: NDArray[np.int64],
    condition: NDArray[np.int64],
    is_control: NDArray[np.bool_],
    design: NDArray[np.floating],
    at_least: int = 2,
) -> Groups:
    """Group cells, whose ``context``, ``condition`` (codes) and ``is_control`` are given; ``design`` is by condition.

    Groups of fewer than ``at_least`` cells are left out, and contexts without controls have no changes. Controls of a
    context are one group, whatever they are called.
    """
    condition = np.where(is_control, -1, condition)
    pairs, first, code, size = np.unique(
        np.stack([context, condition], axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    code = code.reshape(-1)
    with_control = pairs[(pairs[:, 1] < 0) & (size >= at_least), 0]
    kept = np.flatnonzero((size >= at_least) & np.isin(pairs[:, 0], with_control))
    order = np.argsort(code, kind="stable")
    ends = np.cumsum(size)
    doses = np.zeros((len(kept), design.shape[1]))
    treated = pairs[kept, 1] >= 0
    doses[treated] = design[pairs[kept[treated], 1]]
    return Groups(
        cells=[cells[order[ends[group] - size[group] : ends[group]]] for group in kept],
        context=pairs[kept, 0],
        is_control=is_control[first[kept]],
        design=doses,
    )


def halves(n: int, n_splits: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Random halves of ``n`` cells, (n_splits, n)."""
    rank = rng.permuted(np.tile(np.arange(n), (n_splits, 1)), axis=1)
    return np.asarray(rank < n // 2)


def folds(n: int, n_folds: int, n_repeats: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """All but one of ``n_folds`` parts of ``n`` cells in turn, for several random parts, (n_repeats * n_folds, n)."""
    part = np.stack([rng.permutation(n) % n_folds for _ in range(n_repeats)])
    return np.asarray((part[:, None] != np.arange(n_folds)[:, None]).reshape(-1, n))


def split_means(
    read: Callable[[NDArray[np.int64]], NDArray[np.floating]],
    groups: Sequence[NDArray[np.int64]],
    inside: Sequence[NDArray[np.bool_]],
) -> NDArray[np.float64]:
    """Means of the cells ``inside`` and outside of each split of each group, (n_splits, 2, n_groups, n_genes).

    ``read`` returns the dense expression of some cells, and ``inside`` are (n_splits, n_cells) for the cells of each group.
    All cells are read once and in their order, as those of a condition may stand anywhere in a file.
    """
    n_splits, n_groups = len(inside[0]), len(groups)
    cells, sides = np.concatenate(groups), np.concatenate(inside, axis=1)
    group = np.repeat(np.arange(n_groups), [len(own) for own in groups])
    order = np.argsort(cells, kind="stable")
    # A row for each split, side and group, in which each cell is once per split
    rows = (2 * np.arange(n_splits)[:, None] + ~sides) * n_groups + group
    counts = np.bincount(rows.ravel(), minlength=2 * n_splits * n_groups)
    sums: NDArray[np.float64] | None = None
    for start in range(0, len(cells), _BLOCK):
        chosen = order[start : start + _BLOCK]
        x = np.asarray(read(cells[chosen]))
        if sums is None:
            sums = np.zeros((len(counts), x.shape[1]))
        used, place = np.unique(rows[:, chosen], return_inverse=True)
        column = np.tile(np.arange(len(chosen)), n_splits)
        member = sparse.csr_array((np.ones(place.size, x.dtype), (place.ravel(), column)), (len(used), len(chosen)))
        sums[used] += member @ x
    assert sums is not None
    sums /= np.maximum(counts, 1)[:, None]
    return sums.reshape(n_splits, 2, n_groups, -1)
