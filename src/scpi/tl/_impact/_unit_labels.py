"""How well latent units tell labels of cells apart. Numeric core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINS = 16


def label_auroc(values: NDArray[np.float64], codes: NDArray[np.intp], n_labels: int) -> NDArray[np.float64]:
    """Probability that a cell of a label has a higher value of a unit than a cell of another, units x labels.

    Ties count one half. Cells of code -1 are left out; a label that no cell or every cell has gets NaN.
    """
    known = codes >= 0
    codes = codes[known]
    inside = np.bincount(codes, minlength=n_labels).astype(np.float64)
    pairs = inside * (len(codes) - inside)
    areas = np.full((values.shape[1], n_labels), np.nan)
    for unit, column in enumerate(values[known].T):
        sums = np.bincount(codes, weights=stats.rankdata(column), minlength=n_labels)
        np.divide(sums - inside * (inside + 1) / 2, pairs, out=areas[unit], where=pairs > 0)
    return areas


def label_information(values: NDArray[np.float64], codes: NDArray[np.intp], n_labels: int) -> NDArray[np.float64]:
    """Bits that each unit says about the labels, by sixteen bins of as many cells each.

    Counts of few cells look informative by chance: the plug-in estimate is lowered by its expectation under
    independence (Miller, Information Theory in Psychology, 1955), and is not below 0.
    """
    known = codes >= 0
    codes, found = codes[known], np.zeros(values.shape[1])
    if not len(codes):
        return found
    for unit, column in enumerate(values[known].T):
        edges = np.unique(np.quantile(column, np.linspace(0, 1, _BINS + 1)[1:-1]))
        bins = np.searchsorted(edges, column, side="right")
        table = np.bincount(bins * n_labels + codes, minlength=(len(edges) + 1) * n_labels).reshape(-1, n_labels)
        rows, columns = table.sum(axis=1), table.sum(axis=0)
        expected = np.outer(rows, columns) / len(codes)
        seen = table > 0
        bits = (table[seen] * np.log2(table[seen] / expected[seen])).sum() / len(codes)
        bias = ((rows > 0).sum() - 1) * ((columns > 0).sum() - 1) / (2 * len(codes) * np.log(2))
        found[unit] = max(bits - bias, 0.0)
    return found
