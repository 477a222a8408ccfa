"""The impact of Kinalis et al.: mean over cells of the median absolute attribution of the genes of a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from scpi.tl._impact._bins import matched_orders
from scpi.tl._impact._null import Null

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy import sparse

# Maximum number of values to sort at once
_BLOCK = 1 << 22


class MedianImpact:
    """Medians over sets, and over random sets of the same sizes and expression, accumulated over cells."""

    def __init__(
        self,
        n_units: int,
        membership: sparse.csr_matrix,
        bins: NDArray[np.intp],
        *,
        n_permutations: int,
        rng: np.random.Generator,
    ) -> None:
        by_set = membership.tocsc()
        orders = np.concatenate([np.arange(len(bins))[None], matched_orders(bins, n_permutations, rng)])
        self._genes = [orders[:, by_set[:, s].indices] for s in range(by_set.shape[1])]
        self._sums = np.zeros((n_units, by_set.shape[1], n_permutations + 1))
        self._n = 0

    def add(self, attributions: Iterable[NDArray[np.float32]]) -> None:
        """Add some cells, a matrix of cells x genes for each unit."""
        n = 0
        for sums, values in zip(self._sums, attributions, strict=True):
            size, n = np.abs(values), len(values)
            for row, genes in zip(sums, self._genes, strict=True):
                step = max(1, _BLOCK // (n * genes.shape[1]))
                for start in range(0, len(genes), step):
                    chosen = size[:, genes[start : start + step]]
                    row[start : start + step] += np.median(chosen, axis=2).sum(axis=0)
        self._n += n

    def result(self) -> tuple[NDArray[np.float64], Null]:
        """Return the impact, units x sets, and the moments of the impact of the random sets."""
        found = self._sums / self._n
        null = found[:, :, 1:]
        variance = null.var(axis=2, ddof=1)
        with np.errstate(invalid="ignore"):
            skewness = np.where(variance > 0, stats.skew(null, axis=2, bias=False), 0.0)
        moments = Null(null.mean(axis=2), variance, np.nan_to_num(skewness), np.zeros_like(variance))
        return found[:, :, 0], moments
