from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.de._rates import group_rates

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray


def log_ratios(
    counts: ArrayLike, codes: ArrayLike, *, reference: int | None = None, covariates: pd.DataFrame | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Compute log ratios of mean counts, of each group over all other cells or over one group, with standard errors.

    With sums :math:`S` and variances as in :func:`scpi.de.log_means`, the ratio of group :math:`k` to other cells
    :math:`r` is

    .. math:: y_{kg} = \log \frac{S_{kg} / n_k + c}{S_{rg} / n_r + c}, \qquad c = \tfrac12 \max(h_k / n_k, h_r / n_r),

    where :math:`h` is one count on the scale of the normalised counts: a rate below half a count in the smaller of both
    groups cannot be distinguished from zero. If neither side has a count, the ratio is one, irrespective of their
    sizes.

    Parameters
    ----------
    counts
        Cells x genes, dense or sparse; data that is not in memory is read in blocks.
    codes
        Group of each cell: 0, 1, ...; cells with a negative code are excluded.
    reference
        Code of the group to compare with; if `None`, each group is compared with the mean of all other cells.
    covariates
        Covariates to adjust for, as in :func:`scpi.de.log_means`. If they are associated with the groups, standard
        errors are larger.

    Returns
    -------
    Natural logarithms of the ratios and their standard errors, groups x genes; zero in the row of the reference.

    Raises
    ------
    ValueError
        If values are not counts, a group has no cell, there is only one group, the reference is not a group, or
        covariates are missing or constant within each group.

    Examples
    --------
    >>> from scpi.de import log_ratios
    >>> estimate, std_error = log_ratios([[40, 40], [40, 40], [10, 70], [10, 70]], [0, 0, 1, 1])
    >>> estimate.round(2).tolist()
    [[1.37, -0.56], [-1.37, 0.56]]
    """
    found = group_rates(counts, codes, covariates=covariates)
    if len(found.size) < 2:
        msg = "There must be at least two groups, but there is one."
        raise ValueError(msg)
    if reference is not None and not 0 <= reference < len(found.size):
        msg = f"`reference` must be a group from 0 to {len(found.size) - 1}, but is {reference}."
        raise ValueError(msg)
    return found.log_ratios(reference)
