from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._checks import check_counts
from scpi._screen._matrix import dense_rows, sums
from scpi.de._library import library_sizes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def norm_factors(
    counts: ArrayLike,
    *,
    lib_size: ArrayLike | None = None,
    ref_sample: int | None = None,
    log_ratio_trim: float = 0.3,
    sum_trim: float = 0.05,
) -> NDArray[np.float64]:
    """Compute normalisation factors of library sizes by the trimmed mean of M-values (TMM).

    The method assumes that most genes are not differentially expressed. The factor of a sample is the
    precision-weighted mean log ratio of its proportions to those of a reference sample, without genes of extreme ratio
    or extreme abundance (Robinson and Oshlack, Genome Biol. 11:R25, 2010).

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    lib_size
        Library sizes; sums of the counts if omitted.
    ref_sample
        Number of the reference sample; if omitted, the one whose upper quartile is closest to the mean over samples.
    log_ratio_trim
        Fraction of the genes to trim at either end of the log ratios.
    sum_trim
        Fraction of the genes to trim at either end of the abundance.

    Returns
    -------
    One factor per sample; their product is one. Library size times factor is the effective library size.

    Raises
    ------
    ValueError
        If the values are not counts, a sample has none, or the reference sample does not exist.

    Examples
    --------
    >>> from scpi.de import norm_factors
    >>> norm_factors([[10, 20, 30, 40], [20, 40, 60, 80]]).tolist()
    [1.0, 1.0]
    """
    matrix = check_counts(counts)
    sizes = library_sizes(matrix, lib_size)
    n_samples = matrix.shape[0]
    matrix = matrix[:, sums(matrix, axis=0) > 0]
    if n_samples < 2 or matrix.shape[1] < 2:
        return np.ones(n_samples)
    reference = _reference_sample(matrix, sizes) if ref_sample is None else ref_sample
    if not 0 <= reference < n_samples:
        msg = f"`ref_sample` is {reference}, but the samples are 0 to {n_samples - 1}."
        raise ValueError(msg)
    against = dense_rows(matrix, [reference], np.float64)[0]
    log_factors = np.array(
        [
            _log_factor(
                dense_rows(matrix, [row], np.float64)[0],
                against,
                (sizes[row], sizes[reference]),
                (log_ratio_trim, sum_trim),
            )
            for row in range(n_samples)
        ]
    )
    factors = 2.0**log_factors
    return np.asarray(factors / np.exp(np.mean(np.log(factors))))


def _reference_sample(matrix: Any, sizes: NDArray[np.float64]) -> int:
    quartile, depth = np.empty(len(sizes)), np.empty(len(sizes))
    for row, size in enumerate(sizes):
        counted = dense_rows(matrix, [row], np.float64)[0]
        quartile[row] = np.quantile(counted / size, 0.75)
        depth[row] = np.sqrt(counted).sum()
    if np.median(quartile) < 1e-20:
        return int(np.argmax(depth))
    return int(np.argmin(np.abs(quartile - quartile.mean())))


def _log_factor(
    sample: NDArray[np.float64],
    reference: NDArray[np.float64],
    sizes: tuple[float, float],
    trim: tuple[float, float],
) -> float:
    both = (sample > 0) & (reference > 0)
    counted = np.stack([sample[both], reference[both]])
    size = np.array(sizes)[:, None]
    share = counted / size
    # Genes of equal ratio are ties only if the ratio is computed before the logarithm
    ratio, abundance = np.log2(share[0] / share[1]), np.log2(share).mean(axis=0)
    variance = ((size - counted) / size / counted).sum(axis=0)
    if not len(ratio) or np.abs(ratio).max() < 1e-6:
        return 0.0
    kept = _untrimmed(ratio, trim[0]) & _untrimmed(abundance, trim[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = (ratio[kept] / variance[kept]).sum() / (1.0 / variance[kept]).sum()
    return float(factor) if np.isfinite(factor) else 0.0


def _untrimmed(values: NDArray[np.float64], trim: float) -> NDArray[np.bool_]:
    """Values whose rank, the mean one among ties, is not among a fraction of the lowest or highest."""
    n = len(values)
    low = int(n * trim) + 1
    ordered = np.sort(values)

    def mean_rank(value: np.float64) -> float:
        return float(np.searchsorted(ordered, value, "left") + np.searchsorted(ordered, value, "right") + 1) / 2.0

    high = n + 1 - low
    if low > high:
        return np.zeros(n, dtype=bool)
    bottom, top = ordered[low - 1], ordered[high - 1]
    above = values >= bottom if mean_rank(bottom) >= low else values > bottom
    below = values <= top if mean_rank(top) <= high else values < top
    return np.asarray(above & below)
