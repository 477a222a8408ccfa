"""Measured changes of the mean, to store with predicted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi.de import group_moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class MeasuredChange(NamedTuple):
    """Changes of the mean of groups of cells, with standard errors."""

    change: NDArray[np.float64]
    """Mean of the group minus that of its controls, groups x genes."""
    standard_error: NDArray[np.float64]
    """Standard error of the change, groups x genes; NaN for a single cell."""
    n_cells: NDArray[np.int64]
    """Number of cells of each group."""


def measured_change(values: ArrayLike, codes: ArrayLike, control_of: ArrayLike) -> MeasuredChange:
    """Compute changes of groups of cells relative to their controls, in one pass, assuming independent cells.

    Values are cells x genes, dense or sparse. Groups of controls have the last codes, and cells with a negative code
    are left out. `control_of` has the code of the controls of each other group.

    Examples
    --------
    >>> found = measured_change([[1.0], [3.0], [5.0], [5.0]], [1, 1, 0, 0], [1])
    >>> found.change.tolist(), found.standard_error.tolist()
    ([[3.0]], [[1.0]])
    """
    control, groups = np.asarray(control_of, dtype=np.intp), np.asarray(codes, dtype=np.intp)
    n_groups = len(control)
    # Controls may have no group, and a group may have no controls
    largest = max(n_groups - 1, control.max(initial=-1), groups.max(initial=-1))
    moments = group_moments(values, groups, n_groups=int(largest) + 1)
    of_mean = moments.variance / moments.size[:, None]
    return MeasuredChange(
        change=moments.mean[:n_groups] - moments.mean[control],
        standard_error=np.sqrt(of_mean[:n_groups] + of_mean[control]),
        n_cells=moments.size[:n_groups].astype(np.int64),
    )
