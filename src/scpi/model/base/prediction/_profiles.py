"""Mean profiles of the training cells: controls of each context, and each condition in each context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._screen._blocks import sum_cells
from scpi._screen._composition import dose_weights, same_members
from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Profiles(NamedTuple):
    """Means over training cells."""

    control: NDArray[np.float64]
    """Mean of the control cells of each context, contexts x genes; NaN where a context has none."""
    treated: NDArray[np.float64]
    """Mean of the cells of each measured pair of context and condition, pairs x genes."""
    context: NDArray[np.int64]
    """Context of each pair."""
    design: NDArray[np.float64]
    """Doses of the single perturbations in each pair, pairs x perturbations."""
    n_cells: NDArray[np.int64]
    """Number of cells of each pair."""

    @property
    def controls(self) -> NDArray[np.float64]:
        """Mean of the controls of each context; for contexts without controls, the mean over the others."""
        missing = np.asarray(np.isnan(self.control).any(axis=1))
        return np.where(missing[:, None], self.control[~missing].mean(0), self.control)

    def balanced_control(self, allowed: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Mean over contexts (``allowed`` ones, or all) of the means of their controls."""
        there = np.asarray(~np.isnan(self.control).any(axis=1))
        if allowed is not None and (there & allowed).any():
            there &= allowed
        return np.asarray(self.control[there].mean(0))

    @property
    def changes(self) -> NDArray[np.float64]:
        """Change of each pair relative to the controls of its context."""
        return self.changes_of(np.arange(len(self.treated)))

    def changes_of(self, pairs: NDArray[np.intp]) -> NDArray[np.float64]:
        """Change of some pairs."""
        return np.asarray(self.treated[pairs] - self.controls[self.context[pairs]])

    def of_same_members(self, design: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """Pairs with the perturbations of ``design`` (n_perturbations,), at any dose."""
        return same_members(self.design, design)

    def by_context(self, design: NDArray[np.floating[Any]]) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Change of each context measured under ``design``, interpolated if its doses lie between measured ones."""
        pairs, used = self.of_same_members(design), design != 0
        for context in np.unique(self.context[pairs]):
            own = pairs[self.context[pairs] == context]
            weights = dose_weights(self.design[own][:, used], design[used]) if used.any() else None
            if weights is not None:
                yield int(context), weights @ self.changes_of(own)


def take_profiles(
    x: Any,
    cells: NDArray[np.int64],
    *,
    condition: NDArray[np.int64],
    context: NDArray[np.int64],
    is_control: NDArray[np.bool_],
    design: NDArray[np.floating[Any]],
    n_contexts: int,
) -> Profiles:
    """Average training cells, at rows ``cells`` of ``x``, which may be sparse.

    ``condition``, ``context`` (codes) and ``is_control`` describe each training cell. ``design`` holds the doses of the
    single perturbations in each condition, conditions x perturbations.
    """
    control = np.full((n_contexts, x.shape[1]), np.nan)
    there, first = np.unique(context[is_control], return_inverse=True)
    control[there] = _means(x, cells[is_control], first, len(there))
    pairs, second = np.unique(
        np.stack([context[~is_control], condition[~is_control]], axis=1), axis=0, return_inverse=True
    )
    second = second.reshape(-1)
    return Profiles(
        control=control,
        treated=_means(x, cells[~is_control], second, len(pairs)),
        context=pairs[:, 0],
        design=np.asarray(design, dtype=np.float64)[pairs[:, 1]],
        n_cells=np.bincount(second, minlength=len(pairs)),
    )


def mean_of(x: Any, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the given rows of a matrix, dense or sparse."""
    return _means(x, rows, np.zeros(len(rows), dtype=np.intp), 1)[0]


def _means(x: Any, rows: NDArray[np.int64], group: NDArray[np.intp], n_groups: int) -> NDArray[np.float64]:
    """Mean of the rows of each group, in double precision, without a double-precision copy of the matrix."""
    groups = np.full(x.shape[0], -1, dtype=np.intp)
    groups[rows] = group
    return as_dense(sum_cells(x, groups, n_groups), np.float64) / np.bincount(group, minlength=n_groups)[:, None]
