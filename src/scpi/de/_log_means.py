from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.de._rates import group_rates

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray


def log_means(
    counts: ArrayLike, codes: ArrayLike, *, covariates: pd.DataFrame | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Logarithms of the mean counts of groups of cells, with standard errors.

    Counts are scaled to the median depth. The sum :math:`S_{kg}` of :math:`n_k` cells gives

    .. math:: y_{kg} = \log \frac{S_{kg} + h_k / 2}{n_k}, \qquad
        s_{kg}^2 = \frac{D_{kg} S_{kg} + h_k^2 / 2}{(S_{kg} + h_k / 2)^2},

    finite for a gene without any count, where :math:`h_k` is the mean factor of the scaling in the group: so many scaled
    counts are one count. :math:`D_{kg}` is the variance of the sum over the sum. That of negative binomial counts is
    :math:`h_k + \phi_g S_{kg} / n_k`, whose overdispersion :math:`\phi_g` is found from the variances within all groups
    together, as a small group alone would not tell; but where a few cells have the counts of a group, so that its own
    variance is more by over two standard errors, that is taken, less those two standard errors.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse; what is not in memory is read in blocks.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are left out.
    covariates
        What to adjust for, such as batches, one row per cell: numbers, or categories. Their effects are estimated for each
        gene together with the means, which become those of cells with the average of every number and the first of the
        categories; the standard errors include what is not known of the effects.

    Returns
    -------
    Natural logarithms of the means and their standard errors, groups x genes.

    Raises
    ------
    ValueError
        If values are not counts, a group has no cell, or covariates are missing or the same in all cells of each group.

    Examples
    --------
    >>> from scpi.de import log_means
    >>> estimate, std_error = log_means([[4, 4], [4, 4], [1, 7], [1, 7]], [0, 0, 1, 1])
    >>> (estimate[1] - estimate[0]).round(2).tolist()
    [-1.22, 0.53]
    """
    return group_rates(counts, codes, covariates=covariates).log_means()
