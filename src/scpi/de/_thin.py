from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._rng import as_generator
from scpi._screen._checks import check_counts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK = 1 << 20
# Below this the fraction of a count that goes to one part varies as that of a binomial to all digits that matter
_POISSON = 1e-8


def thin(
    counts: ArrayLike,
    *,
    fraction: float = 0.5,
    overdispersion: ArrayLike = 0.0,
    rng: int | np.random.Generator | None = None,
) -> tuple[Any, Any]:
    """Split every count into a train and a test part that are independent of each other.

    The two parts add up to the counts. A Poisson count is split by a binomial draw: both parts are Poisson again. A
    negative binomial count of mean mu and variance mu + overdispersion mu^2 is split by a beta-binomial draw: with
    r = 1 / overdispersion, the train part given x is BetaBin(x, fraction r, (1 - fraction) r), and both parts are
    negative binomial, of means fraction mu and (1 - fraction) mu, and sizes fraction r and (1 - fraction) r.

    The parts are independent whatever the mean of a cell is, so depth, cell types and states need not be known. They
    are independent only at the right overdispersion: with one too small they are positively correlated, with one too
    large negatively. See :func:`scpi.de.estimate_overdispersion`.

    Parameters
    ----------
    counts
        Rows x genes, dense or sparse.
    fraction
        Fraction of the counts that the train part has in expectation.
    overdispersion
        Of each gene, or one number for all; 0 for Poisson counts.
    rng
        Seed or generator of the random numbers; `None` draws fresh entropy.

    Returns
    -------
    The train and the test part, dense where `counts` are and else in CSR format.

    Raises
    ------
    ValueError
        If `counts` has negative, fractional or missing values, `fraction` is not between 0 and 1, or `overdispersion`
        is negative, not finite or not one value for each gene.

    Notes
    -----
    Neufeld, Gao, Popp, Battle and Witten, Biostatistics 25 (2024), for Poisson counts; Neufeld, Dharamshi, Gao and
    Witten, Journal of Machine Learning Research 25 (2024), for negative binomial ones.

    Examples
    --------
    >>> import numpy as np
    >>> from scpi.de import thin
    >>> counts = np.array([[3, 0], [10, 1]])
    >>> train, test = thin(counts, overdispersion=0.5, rng=0)
    >>> np.array_equal(train + test, counts)
    True
    """
    matrix = check_counts(counts)
    dispersion = check_overdispersion(overdispersion, matrix.shape[1])
    generator = as_generator(rng)
    check_fraction(fraction)
    if not sparse.issparse(matrix):
        rows, genes = np.nonzero(matrix)
        train = np.zeros_like(matrix)
        train[rows, genes] = _draw(matrix[rows, genes], dispersion[genes], fraction, generator)
        return train, matrix - train
    drawn = _draw(matrix.data, dispersion[matrix.indices], fraction, generator)
    rest = matrix.data - drawn
    return _without_zeros(matrix, drawn), _without_zeros(matrix, rest)


def check_fraction(fraction: float) -> None:
    """Refuse a share that leaves one part empty."""
    if not 0.0 < fraction < 1.0:
        msg = f"`fraction` must lie between 0 and 1, both excluded, so that each part gets counts, but is {fraction}."
        raise ValueError(msg)


def check_overdispersion(overdispersion: ArrayLike, n_genes: int) -> NDArray[np.float64]:
    """Give the overdispersion of each gene, once it can be one."""
    values = np.asarray(overdispersion, dtype=np.float64)
    if values.shape not in {(), (n_genes,)}:
        msg = (
            f"`overdispersion` must be one number or one for each of the {n_genes} genes, but has shape {values.shape}."
        )
        raise ValueError(msg)
    if not (np.isfinite(values) & (values >= 0)).all():
        msg = "`overdispersion` must be finite and not negative: 0 for Poisson counts."
        raise ValueError(msg)
    return np.broadcast_to(values, (n_genes,))


def _draw(
    counts: NDArray[Any], overdispersion: NDArray[np.float64], fraction: float, rng: np.random.Generator
) -> NDArray[Any]:
    """Train part of each count, in the type of the counts."""
    train = np.empty_like(counts)
    for start in range(0, len(counts), _BLOCK):
        block = slice(start, start + _BLOCK)
        share = np.full(len(counts[block]), fraction)
        spread = np.flatnonzero(overdispersion[block] > _POISSON)
        size = 1.0 / overdispersion[block][spread]
        share[spread] = rng.beta(fraction * size, (1.0 - fraction) * size)
        train[block] = rng.binomial(counts[block].astype(np.int64), share)
    return train


def _without_zeros(matrix: Any, data: NDArray[Any]) -> Any:
    part = sparse.csr_matrix((data, matrix.indices.copy(), matrix.indptr.copy()), shape=matrix.shape)
    part.eliminate_zeros()
    return part
