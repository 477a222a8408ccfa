"""How many cells of the groups of a plan were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scpi._slots import listed
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.int64]

# Groups that a message names
_N_NAMED = 5


class Measured(NamedTuple):
    """Numbers of cells of each group of a plan."""

    asked: Codes
    """Cells to generate, over all rows of the plan with the same covariates."""
    measured: Codes
    """Measured cells with the same covariates."""
    largest: Codes
    """Measured cells of the group or, if there are none, of the largest group of its sample, otherwise of all."""


def count_measured(groups: Codes, sizes: Codes, cells: Codes, samples: Sequence[int]) -> Measured:
    """Count cells of groups; ``groups`` and ``cells`` are rows x covariates, of which ``samples`` are the sample."""
    kinds, numbers = np.unique(cells, axis=0, return_counts=True)
    asked, measured, largest = (np.zeros(len(groups), dtype=np.int64) for _ in range(3))
    for row, group in enumerate(groups):
        asked[row] = sizes[(groups == group).all(axis=1)].sum()
        measured[row] = numbers[(kinds == group).all(axis=1)].sum()
        own = numbers[(kinds[:, samples] == group[samples]).all(axis=1)]
        largest[row] = measured[row] or (own if len(own) else numbers).max()
    return Measured(asked, measured, largest)


def warn_of_evidence(found: Measured, names: Sequence[str]) -> None:
    """Warn if more cells of a group are asked for than were measured, or if a group was never measured."""
    more = np.flatnonzero(found.asked > found.largest)
    if len(more):
        worst = more[np.argmax(found.asked[more] / found.largest[more])]
        warn_user(
            f"The plan asks for more cells than were measured of {len(more)} of {len(names)} groups, such as "
            f"{found.asked[worst]:,} of {names[worst]!r}, of which or of whose sample a group has at most "
            f"{found.largest[worst]:,}. Generated cells are not evidence: with more of them than were measured, p-values "
            "become too small. Lower `n_cells` of the plan."
        )
    new = [name for name, number in zip(names, found.measured, strict=True) if not number]
    if new:
        warn_user(
            f"{len(new)} of {len(names)} groups of the plan were not measured: {listed(new, _N_NAMED)}. Their p-values are "
            "statements about what the model has learned, and not about cells."
        )
