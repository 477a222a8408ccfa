"""Points of a Gaussian process that are left out in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.perturbation_gp._response import Response

    Floats = NDArray[np.float64]
    Codes = NDArray[np.intp]

# Points that a slope is learned from, at least
_FEWEST = 3


def left_out_blocks(response: Response, dual: Floats, inverse: Floats, blocks: Codes) -> tuple[Floats, Floats]:
    """Predicted and measured deviations of points from the mean of the other blocks, points x components.

    Each block is predicted from the others, with the factors of the kernels held and the common mean estimated anew. Where there is
    one block only, nothing is predicted. ``blocks`` has the code of the block of each point.
    """
    scores, n = response.scores, len(response.scores)
    predicted, measured = np.zeros_like(scores), response.deviation.copy()
    for block in range(blocks.max() + 1):
        rows = np.flatnonzero(blocks == block)
        if len(rows) == n:
            break
        others = n - len(rows)
        residual = np.linalg.solve(inverse[np.ix_(rows, rows)], dual[rows])
        # The mean of all is 0
        predicted[rows] = scores[rows] - residual + scores[rows].sum(axis=0) / others
        measured[rows] += (response.deviation[rows] - response.deviation.mean(axis=0)).sum(axis=0) / others
    return predicted, measured


def calibrate_blocks(
    predicted: Floats,
    measured: Floats,
    response: Response,
    rows: NDArray[np.bool_],
    cluster: Codes,
    *,
    level: float = 1.0,
) -> float:
    """Factor from 0 to 1 by which predictions are too large: a slope less its standard error, 0 where that is negative.

    Measured deviations are regressed on predicted ones of some points, without an intercept. Points of a ``cluster`` are as good
    as one for the standard error, and a slope that does not differ from 0 at a ``level`` of a t test of these is 0.
    """
    if rows.sum() < _FEWEST:
        return 0.0
    heard = 1.0 / (1.0 + response.noise[rows])
    predicted, measured = predicted[rows], measured[rows]
    along, squared = (predicted * measured).sum(axis=1) * heard, np.square(predicted).sum(axis=1) * heard
    total = squared.sum()
    if total <= 0:
        return 0.0
    slope = along.sum() / total
    off = np.bincount(np.unique(cluster[rows], return_inverse=True)[1], weights=along - slope * squared)
    error = np.sqrt(np.square(off).sum()) / total
    least = stats.t.isf(level / 2.0, max(len(off) - 1, 1))
    return float(np.clip(slope - error, 0.0, 1.0)) if slope >= least * error else 0.0
