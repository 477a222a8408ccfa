from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._checks import check_counts
from scpi._screen._matrix import dense_rows
from scpi.de._design import as_design
from scpi.de._library import library_sizes

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from scpi.de._design import Design

_TOLERANCE = 1e-14


def filter_by_expr(
    counts: ArrayLike,
    design: ArrayLike | pd.DataFrame | Design | None = None,
    *,
    groups: ArrayLike | None = None,
    lib_size: ArrayLike | None = None,
    min_count: float = 10.0,
    min_total_count: float = 15.0,
    large_n: float = 10.0,
    min_prop: float = 0.7,
) -> NDArray[np.bool_]:
    """Find the genes with enough counts to be tested.

    The rule of edgeR's `filterByExpr` (Chen, Lun and Smyth, F1000Research 5:1438, 2016): a gene has to reach
    `min_count`, in a library of the median size, in as many samples as the smallest group has. It does not look at
    which samples these are, and so leaves the p-values of the genes that are kept as they should be.

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    design
        Model matrix, samples x coefficients; the smallest group has the inverse of the largest leverage.
    groups
        Label of each sample, used instead of the design; all samples are one group if neither is given.
    lib_size
        Library sizes, sums of the counts if left out; those times the normalisation factors may be given.
    min_count
        Counts that a gene needs in a library of the median size.
    min_total_count
        Counts that it needs in all samples together.
    large_n
        Size from which a group counts as large.
    min_prop
        Fraction of the samples beyond `large_n` in a large group that have to reach `min_count`.

    Returns
    -------
    Whether each gene is kept.

    Raises
    ------
    ValueError
        If these are not counts, a sample has none, or the shapes do not fit.

    Examples
    --------
    >>> from scpi.de import filter_by_expr
    >>> filter_by_expr([[90, 10, 0], [80, 1, 19], [99, 1, 0], [79, 1, 20]], groups=[0, 0, 1, 1]).tolist()
    [True, False, True]
    """
    matrix = check_counts(counts)
    sizes = library_sizes(matrix, lib_size)
    n_samples, n_genes = matrix.shape
    if groups is not None:
        labels = np.asarray(groups)
        if labels.shape != (n_samples,):
            msg = f"`groups` must have one label for each of {n_samples} samples, but has shape {labels.shape}."
            raise ValueError(msg)
        smallest = float(np.unique(labels, return_counts=True)[1].min())
    elif design is not None:
        smallest = 1.0 / as_design(design, n_samples=n_samples).leverage.max()
    else:
        smallest = float(n_samples)
    if smallest > large_n:
        smallest = large_n + (smallest - large_n) * min_prop
    cutoff = min_count / np.median(sizes) * 1e6
    n_expressed, total = np.zeros(n_genes), np.zeros(n_genes)
    for row in range(n_samples):
        counted = dense_rows(matrix, [row], np.float64)[0]
        n_expressed += counted / (1e-6 * sizes[row]) >= cutoff
        total += counted
    return np.asarray((n_expressed >= smallest - _TOLERANCE) & (total >= min_total_count - _TOLERANCE))
