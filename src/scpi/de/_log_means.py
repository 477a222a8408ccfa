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
    r"""Compute logarithms of the mean counts of groups of cells, with standard errors.

    Counts are scaled to the median depth. The sum :math:`S_{kg}` of :math:`n_k` cells gives

    .. math:: y_{kg} = \log \frac{S_{kg} + h_k / 2}{n_k}, \qquad
        s_{kg}^2 = \frac{D_{kg} S_{kg} + h_k^2 / 2}{(S_{kg} + h_k / 2)^2},

    which is finite for a gene without counts. Here :math:`h_k` is the mean scaling factor of the group: one count
    equals :math:`h_k` scaled counts. :math:`D_{kg}` is the variance of the sum, divided by the sum. For negative
    binomial counts, it is :math:`h_k + \phi_g S_{kg} / n_k`. The overdispersion :math:`\phi_g` is estimated from the
    variances within all groups together, as a small group alone is not informative. If a few cells have most counts of
    a group, so that its own variance is larger by more than two standard errors, its own variance minus two standard
    errors is used instead.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse; data that is not in memory is read in blocks.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are excluded.
    covariates
        Covariates to adjust for, such as batches, one row per cell: numbers, or categories. Their effects are estimated
        for each gene together with the means, which then refer to the average of every number and the first of the
        categories. The standard errors include the uncertainty of the effects.

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
