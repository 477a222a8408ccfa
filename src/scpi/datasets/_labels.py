"""Labels of conditions in simulated and public data."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONTROL = "control"
DELIMITER = "+"


def conditions(names: Sequence[str], *, doubles: bool) -> tuple[list[str], NDArray[np.bool_]]:
    """Labels of the control, all singles and optionally all pairs, with their membership (conditions x names)."""
    n = len(names)
    members: list[tuple[int, ...]] = [(), *((i,) for i in range(n))]
    if doubles:
        members += combinations(range(n), 2)
    design = np.zeros((len(members), n), dtype=bool)
    for row, member in enumerate(members):
        design[row, list(member)] = True
    labels = [DELIMITER.join(names[i] for i in member) or CONTROL for member in members]
    return labels, design


def repeat_conditions(labels: Sequence[str], n_cells: int, n_control: int) -> pd.Categorical:
    """Condition of each cell: `n_control` cells of the first one, the control, and then `n_cells` of each other."""
    sizes = [n_control] + [n_cells] * (len(labels) - 1)
    return pd.Categorical.from_codes(np.repeat(np.arange(len(labels)), sizes), categories=pd.Index(labels))
