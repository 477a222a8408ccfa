from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._checks import check_counts
from scpi._screen._matrix import as_dense
from scpi.de._library import library_sizes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def log_cpm(
    counts: ArrayLike,
    *,
    lib_size: ArrayLike | None = None,
    norm_factors: ArrayLike | None = None,
    prior_count: float = 2.0,
) -> NDArray[np.float64]:
    """Compute log2 counts per million, with a prior count in proportion to the library size.

    This is the scale of limma-trend: with libraries of similar size, :func:`lm_fit` without weights and :func:`ebayes`
    with `trend=True` model the mean-variance trend (Law et al., Genome Biol. 15:R29, 2014). A larger prior count
    shrinks the log fold changes of small counts towards zero.

    Parameters
    ----------
    counts
        Samples x genes, dense or sparse.
    lib_size
        Library sizes; sums of the counts if omitted.
    norm_factors
        Factors that multiply the library sizes, from :func:`norm_factors`; ones if omitted.
    prior_count
        Added to each count, in a sample of mean library size.

    Returns
    -------
    Samples x genes, dense.

    Raises
    ------
    ValueError
        If the values are not counts, a sample has none, the shapes do not match, or the prior count is not positive.

    Examples
    --------
    >>> from scpi.de import log_cpm
    >>> log_cpm([[0, 14], [6, 8]], prior_count=2.0).round(3).tolist()
    [[16.762, 19.762], [18.762, 19.084]]
    """
    if not prior_count > 0:
        msg = f"`prior_count` must be positive, as zero has no logarithm, but is {prior_count}."
        raise ValueError(msg)
    matrix = check_counts(counts)
    sizes = library_sizes(matrix, lib_size)
    if norm_factors is not None:
        sizes = library_sizes(matrix, sizes * np.asarray(norm_factors, dtype=np.float64))
    prior = prior_count * sizes / sizes.mean()
    values = as_dense(matrix, np.float64) + prior[:, None]
    return np.log2(values / (sizes + 2.0 * prior)[:, None] * 1e6)
