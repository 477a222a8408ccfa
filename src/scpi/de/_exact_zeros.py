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
    """Find the zeros that a design fits exactly, as where no sample of a group has a count.

    Such values have no residual, whatever the variance of the gene: counted as observations they make the variance too
    small and add degrees of freedom that there are not. A zero is exact if the fitted mean of a Poisson model goes to
    zero there, which a linear program decides (Lun and Smyth, Stat. Appl. Genet. Mol. Biol. 16, 2017, for groups).

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    design
        Model matrix, samples x coefficients.

    Returns
    -------
    Whether a value is an exact zero, samples x genes, for `zeros=` of :func:`lm_fit`, :func:`voom`, :func:`array_weights`
    and :func:`duplicate_correlation`.

    Raises
    ------
    ValueError
        If these are not counts or the shapes do not fit.

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
    # Fewer zeros than samples in the smallest group cannot be a group without counts
    fewest = max(2.0, 1.0 / model.leverage.max()) - _TOLERANCE
    possible = np.flatnonzero((zero.sum(axis=0) > fewest) & ~zero.all(axis=0))
    patterns, place = np.unique(zero[:, possible], axis=1, return_inverse=True)
    spanned = np.hstack([model.member.T.toarray(), model.basis])
    separated = [_separated(spanned, pattern) for pattern in patterns.T]
    for gene, number in zip(possible, place.ravel(), strict=True):
        found[:, gene] = separated[number]
    return found


def _separated(columns: NDArray[np.float64], zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Zeros whose fitted log mean can fall without bound while that of the other samples stays."""
    found = np.zeros(len(zero), dtype=bool)
    directions = linalg.null_space(columns[~zero])
    if not directions.shape[1]:
        return found
    falling = columns[zero] @ directions
    n, k = falling.shape
    # The log means of zeros may fall together in one direction, each by at most one
    solution = optimize.linprog(
        np.r_[np.zeros(k), -np.ones(n)],
        A_ub=np.hstack([falling, np.eye(n)]),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * k + [(0.0, 1.0)] * n,
    )
    found[zero] = solution.x[k:] > 0.5
    return found
