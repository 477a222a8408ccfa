from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def seed_agreement(runs: Sequence[ArrayLike]) -> pd.DataFrame:
    """Compare the attributions of units between models that were trained from different seeds.

    The order and the signs of units differ between training runs. The units of two runs are therefore matched one to
    one, so that the sum of the absolute cosines of their attributions is largest.

    Parameters
    ----------
    runs
        Attributions of each run, units x genes, of the same genes. The number of units may differ.

    Returns
    -------
    One row per pair of runs and pair of matched units: `first` and `second` (positions of the runs), `unit_first` and
    `unit_second` (positions of the units), and `cosine` (signed).

    Raises
    ------
    ValueError
        If there are fewer than two runs, they are not of the same genes, or values are not finite.

    Examples
    --------
    >>> from scpi.attribution import seed_agreement
    >>> seed_agreement([[[1.0, 0.0], [0.0, 1.0]], [[0.0, -2.0], [3.0, 0.0]]])
       first  second  unit_first  unit_second  cosine
    0      0       1           0            1     1.0
    1      0       1           1            0    -1.0
    """
    tables = [_normalised(run) for run in runs]
    if len(tables) < 2 or len({table.shape[1] for table in tables}) > 1:
        msg = f"`runs` must be two or more tables of the same genes, but have the shapes {[t.shape for t in tables]}."
        raise ValueError(msg)
    found = []
    for (first, a), (second, b) in combinations(enumerate(tables), 2):
        cosine = a @ b.T
        rows, columns = linear_sum_assignment(-np.abs(cosine))
        found.append(
            pd.DataFrame(
                {
                    "first": first,
                    "second": second,
                    "unit_first": rows,
                    "unit_second": columns,
                    "cosine": cosine[rows, columns],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


def _normalised(run: ArrayLike) -> NDArray[np.float64]:
    """Scale rows to length 1; a unit without attributions stays zero and agrees with none."""
    table = np.asarray(run, dtype=np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        msg = f"Each run must be units x genes of finite numbers, but one is of shape {table.shape}."
        raise ValueError(msg)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    return table / np.where(length > 0, length, 1.0)
