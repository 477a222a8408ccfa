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

    This is the rule of edgeR's `filterByExpr` (Chen, Lun and Smyth, F1000Research 5:1438, 2016). A gene must reach
    `min_count`, in a library of median size, in as many samples as the smallest group has. The filter ignores the group
    labels of these samples, so that p-values of the remaining genes stay valid.

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    design
        Model matrix, samples x coefficients; the smallest group has the inverse of the largest leverage.
    groups
        Label of each sample, used instead of the design; all samples are one group if neither is given.
    lib_size
        Library sizes, optionally times the normalisation factors; sums of the counts if omitted.
    min_count
        Minimum count of a gene in a library of median size.
    min_total_count
        Minimum count of a gene over all samples.
    large_n
        Size above which a group is large.
    min_prop
        Fraction of the samples beyond `large_n` in a large group that must reach `min_count`.

    Returns
    -------
    Whether each gene is kept.

    Raises
    ------
    ValueError
        If the values are not counts, a sample has none, or the shapes do not match.

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
