"""Variance between the training cells of the same context and condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from scpi._screen._blocks import sum_cells
from scpi._screen._matrix import as_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.prediction._profiles import Profiles

# Cells that the variance over all conditions counts for beside those of one
_PRIOR_CELLS = 4.0


class Spread(NamedTuple):
    """Variances of genes between cells, in the order of the :class:`Profiles` of the same cells."""

    control: NDArray[np.float64]
    """Variances of the controls of each context, contexts x genes."""
    treated: NDArray[np.float64]
    """Variances of each measured pair of context and condition, pairs x genes."""
    pooled: NDArray[np.float64]
    """Variances of all cells about the mean of their group, (n_genes,)."""
    n_control: NDArray[np.int64]
    """Number of control cells of each context."""


def take_spread(
    x: Any,
    cells: NDArray[np.int64],
    profiles: Profiles,
    *,
    condition: NDArray[np.int64],
    context: NDArray[np.int64],
    is_control: NDArray[np.bool_],
) -> Spread:
    """Variances of training cells, at rows ``cells`` of ``x``, whose means are the ``profiles``, as of ``take_profiles``.

    The variance of a group is moderated: that over all groups counts as four more of its cells.
    """
    n_contexts = len(profiles.control)
    group = context.astype(np.intp)
    pairs = np.stack([context[~is_control], condition[~is_control]], axis=1)
    group[~is_control] = n_contexts + np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    codes = np.full(x.shape[0], -1, dtype=np.intp)
    codes[cells] = group
    n_control = np.bincount(context[is_control], minlength=n_contexts)
    n_cells = np.concatenate([n_control, profiles.n_cells])[:, None]
    means = np.concatenate([np.nan_to_num(profiles.control), profiles.treated])
    squares = as_dense(sum_cells(x, codes, len(n_cells), check=_squared), np.float64)
    residual = np.maximum(squares - n_cells * np.square(means), 0.0)
    degrees = np.maximum(n_cells - 1, 0)
    pooled = residual.sum(0) / max(degrees.sum(), 1)
    moderated = (residual + _PRIOR_CELLS * pooled) / (degrees + _PRIOR_CELLS)
    return Spread(moderated[:n_contexts], moderated[n_contexts:], pooled, n_control)


def _squared(block: Any) -> Any:
    # In double precision: the variance is a small difference of large sums
    block = block.astype(np.float64)
    return block.multiply(block).tocsr() if hasattr(block, "multiply") else np.square(block)
