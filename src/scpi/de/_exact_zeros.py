from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import linalg, optimize

from scpi._screen._checks import check_counts
from scpi._screen._matrix import as_dense
from scpi.de._design import as_design

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design

_TOLERANCE = 1e-4


def exact_zeros(counts: ArrayLike, design: ArrayLike | pd.DataFrame | Design) -> NDArray[np.bool_]:
    """Find the zeros that a design fits exactly, for example if no sample of a group has a count.

    Such values have no residual, whatever the variance of the gene. If they count as observations, the variance is too
    small and the degrees of freedom too many. A zero is exact if the fitted mean of a Poisson model tends to zero,
    which a linear program decides (Lun and Smyth, Stat. Appl. Genet. Mol. Biol. 16, 2017, for groups).

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    design
        Model matrix, samples x coefficients.

    Returns
    -------
    Whether each value is an exact zero, samples x genes, for `zeros=` of :func:`lm_fit`, :func:`voom`,
    :func:`array_weights` and :func:`duplicate_correlation`.

    Raises
    ------
    ValueError
        If the values are not counts, or the shapes do not match.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import exact_zeros
    >>> exact_zeros([[0, 0], [0, 5], [3, 0], [4, 2]], np.repeat(np.eye(2), 2, axis=0)).T.tolist()
    [[True, True, False, False], [False, False, False, False]]
    """
    matrix = check_counts(counts)
    model = as_design(design, n_samples=matrix.shape[0])
    zero = as_dense(matrix, np.float64) == 0
    found = np.zeros(zero.shape, dtype=bool)
    # With fewer zeros than samples in the smallest group, no group is without counts
    fewest = max(2.0, 1.0 / model.leverage.max()) - _TOLERANCE
    possible = np.flatnonzero((zero.sum(axis=0) > fewest) & ~zero.all(axis=0))
    patterns, place = np.unique(zero[:, possible], axis=1, return_inverse=True)
    spanned = np.hstack([model.member.T.toarray(), model.basis])
    separated = [_separated(spanned, pattern) for pattern in patterns.T]
    for gene, number in zip(possible, place.ravel(), strict=True):
        found[:, gene] = separated[number]
    return found


def _separated(columns: NDArray[np.float64], zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Zeros whose fitted log mean can decrease without bound while the other fitted means stay."""
    found = np.zeros(len(zero), dtype=bool)
    directions = linalg.null_space(columns[~zero])
    if not directions.shape[1]:
        return found
    falling = columns[zero] @ directions
    n, k = falling.shape
    # The log means of zeros may decrease jointly along one direction, each by at most one
    solution = optimize.linprog(
        np.r_[np.zeros(k), -np.ones(n)],
        A_ub=np.hstack([falling, np.eye(n)]),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * k + [(0.0, 1.0)] * n,
    )
    found[zero] = solution.x[k:] > 0.5
    return found
