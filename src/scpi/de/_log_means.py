from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._expression import check_stored_counts, normalise
from scpi.de._moments import group_moments

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def log_means(counts: ArrayLike, codes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Logarithms of the mean counts of groups of cells, with standard errors.

    Counts are scaled to the median depth. The sum :math:`S_{kg}` of :math:`n_k` cells gives

    .. math:: y_{kg} = \log \frac{S_{kg} + 1/2}{n_k}, \qquad
        s_{kg}^2 = \frac{S_{kg} + \phi_g S_{kg}^2 / n_k + 1/2}{(S_{kg} + 1/2)^2},

    finite for a gene without any count. The variance is that of negative binomial counts, whose overdispersion
    :math:`\phi_g` is found from the variances within all groups together, as a small group alone would not tell.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse; what is not in memory is read in blocks.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are left out.

    Returns
    -------
    Natural logarithms of the means and their standard errors, groups x genes.

    Raises
    ------
    ValueError
        If values are not counts, or a group has no cell.

    Examples
    --------
    >>> from scpi.de import log_means
    >>> estimate, std_error = log_means([[4, 4], [4, 4], [1, 7], [1, 7]], [0, 0, 1, 1])
    >>> (estimate[1] - estimate[0]).round(2).tolist()
    [-1.22, 0.53]
    """
    matrix = check_stored_counts(counts)
    scaled = normalise(matrix)
    moments = group_moments(scaled, codes)
    n = moments.size[:, None].astype(np.float64)
    if (n == 0).any():
        msg = f"Every group needs a cell, but group {int(np.flatnonzero(n == 0)[0])} has none."
        raise ValueError(msg)
    total = n * moments.mean
    phi = _overdispersion(n, moments.mean, moments.variance)
    variance = total + phi * total**2 / n
    return np.log((total + 0.5) / n), np.sqrt(variance + 0.5) / (total + 0.5)


def _overdispersion(
    n: NDArray[np.float64], mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Excess of the variances within groups over the means, by their squares, each pooled over the groups."""
    freedom = np.maximum(n - 1.0, 0.0)
    excess = np.where(n > 1, freedom * (variance - mean), 0.0).sum(axis=0)
    squares = (freedom * mean**2).sum(axis=0)
    return np.divide(np.maximum(excess, 0.0), squares, out=np.zeros_like(excess), where=squares > 0)
