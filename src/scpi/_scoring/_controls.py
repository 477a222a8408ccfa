"""Which control cells a prediction starts from, and which the measured change is taken against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from scpi._scoring._rows import Rows

ReferenceCells = Literal["apart", "all"]
_LEAST = 4
_NUMBERS = {1: "one", 2: "two"}


def divide_controls(
    controls: NDArray[np.int64],
    reference_cells: ReferenceCells | ArrayLike,
    rng: np.random.Generator,
    *,
    rows: Rows = "cells",
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the controls to start from, and of those for the measured change.

    ``"apart"`` gives a random half for each purpose, ``"all"`` all cells for both, and positions of control cells those
    for the measured change: predictions then start from the others. A `ValueError` says if there are fewer than four
    controls, or fewer than two for one of the purposes, or a position is that of no control cell. Of profiles (``rows``
    are conditions) one is enough for a purpose.
    """
    least = 1 if rows == "conditions" else _LEAST // 2
    if rows == "cells" and len(controls) < _LEAST:
        msg = f"An evaluation needs at least four control cells, got {len(controls)}."
        raise ValueError(msg)
    if isinstance(reference_cells, str) and reference_cells == "apart" and len(controls) < 2 * least:
        msg = (
            f"The control has {len(controls)} profile(s), and `reference_cells='apart'` needs two. Take 'all', which starts from "
            "the profile that the measured change is taken against, so that both changes share its noise."
        )
        raise ValueError(msg)
    if isinstance(reference_cells, str):
        if reference_cells == "all":
            return controls, controls
        if reference_cells != "apart":
            msg = (
                f"`reference_cells` must be 'apart', 'all', or positions of control cells, but is {reference_cells!r}."
            )
            raise ValueError(msg)
        shuffled = rng.permutation(controls)
        return shuffled[: len(controls) // 2], shuffled[len(controls) // 2 :]
    chosen = np.unique(np.asarray(reference_cells))
    start = np.setdiff1d(controls, chosen)
    if len(np.setdiff1d(chosen, controls)) or min(len(start), len(chosen)) < least:
        msg = (
            f"`reference_cells` must name control cells among those that are compared, {_NUMBERS[least]} or more, and leave "
            f"{_NUMBERS[least]} or more to start from, but of {len(chosen)} cells {len(np.intersect1d(chosen, controls))} are controls, and "
            f"{len(start)} controls are left."
        )
        raise ValueError(msg)
    return start, chosen.astype(np.int64)
