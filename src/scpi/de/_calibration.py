"""P-values of statistics whose null distribution is estimated from permutations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Number of similar genes that are pooled
_STRATUM = 150
# Number of the smallest p-values under the null, from which the tail is extrapolated
_TAIL = 0.01
_FEWEST_IN_TAIL = 50
_SMALLEST_MEAN = 0.05
_LOG_TINY = -650.0
_N_FRACTIONS = 200


def calibrate(
    statistic: NDArray[np.float64],
    permuted: NDArray[np.float64],
    *,
    order: NDArray[np.float64],
    kind: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Compute the log p-value of each gene's statistic, given the same statistic under permuted labels.

    The null distribution of a gene is assumed to be a gamma distribution, which includes chi-squared distributions and
    approximates their mixtures. Its mean is that of the permutations of the gene, shrunk towards that of similar genes,
    and its ratio of variance to mean is that of genes with similar mean. Misfit of the gamma distribution, and the
    uncertainty from the number of permutations, are then corrected for all genes together: p-values of permutations
    under the distribution from the other half of them show how often a p-value of this size or smaller occurs under the
    null. Beyond the last percent of these, the tail is exponential in the logarithm of p.

    Parameters
    ----------
    statistic
        Statistic of each gene, non-negative.
    permuted
        Permutations x genes, at least four permutations.
    order
        Genes with similar `order`, such as mean expression, and the same `kind` are pooled.
    kind
        See `order`.
    """
    half = len(permuted) // 2
    parts = permuted[:half], permuted[half:]
    null = np.concatenate(
        [_log_gamma_tail(these, *_gamma(others, order, kind)).ravel() for these, others in (parts, parts[::-1])]
    )
    return _recalibrate(_log_gamma_tail(statistic, *_gamma(permuted, order, kind)), null)


def _gamma(
    permuted: NDArray[np.float64], order: NDArray[np.float64], kind: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shape and scale of the null distribution of each gene."""
    n = len(permuted)
    own, variance = permuted.mean(axis=0), permuted.var(axis=0, ddof=1)
    mean, ratio = np.empty_like(own), np.empty_like(own)
    for value in np.unique(kind):
        for genes in _strata(np.flatnonzero(kind == value), order):
            noise = variance[genes].mean() / n
            spread = max(own[genes].var() - noise, 0.0)
            share = spread / max(spread + noise, np.finfo(np.float64).tiny)
            mean[genes] = share * own[genes] + (1.0 - share) * own[genes].mean()
    mean = np.maximum(mean, _SMALLEST_MEAN)
    for genes in _strata(np.arange(len(mean)), mean):
        ratio[genes] = max(variance[genes].sum() / max(own[genes].sum(), _SMALLEST_MEAN), _SMALLEST_MEAN)
    return mean / ratio, ratio


def _strata(genes: NDArray[np.intp], order: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Group genes by similar `order`."""
    ordered = genes[np.argsort(order[genes], kind="stable")]
    return np.array_split(ordered, max(1, len(ordered) // _STRATUM))


def _log_gamma_tail(
    x: NDArray[np.float64], shape: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of the probability of more than `x`, finite at any finite `x`."""
    shape, z = (np.array(values) for values in np.broadcast_arrays(shape, x / scale))
    with np.errstate(divide="ignore"):
        log_tail = np.asarray(np.log(special.gammaincc(shape, z)))
    far = log_tail < _LOG_TINY
    if far.any():
        log_tail[far] = _far_log_tail(z[far], shape[far])
    return log_tail


def _far_log_tail(x: NDArray[np.float64], a: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same by the continued fraction of the incomplete gamma function (DLMF 8.9.2), evaluated backwards."""
    fraction = np.zeros_like(x)
    for n in range(_N_FRACTIONS, 0, -1):
        fraction = n * (n - a) / (x + 2.0 * n + 1.0 - a - fraction)
    return -x + a * np.log(x) - special.gammaln(a) - np.log(x + 1.0 - a - fraction)


def _recalibrate(log_pval: NDArray[np.float64], null: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values as the fractions of null p-values that are not larger, with an exponential tail."""
    null = np.sort(null)
    n_tail = min(len(null) - 1, max(int(_TAIL * len(null)), _FEWEST_IN_TAIL))
    start = null[n_tail]
    # The mean of an exponential excess over the threshold
    excess = max(float((start - null[:n_tail]).mean()), np.finfo(np.float64).tiny)
    # Ties count half, as p-values of counts have many
    rank = (np.searchsorted(null, log_pval, "left") + np.searchsorted(null, log_pval, "right") + 1) / 2.0
    body = np.log((rank + 0.5) / (len(null) + 1.0))
    at_start = np.log((n_tail + 1.0) / (len(null) + 1.0))
    tail = at_start + (log_pval - start) / excess
    return np.minimum(np.where(log_pval < start, tail, np.maximum(body, at_start)), 0.0)
