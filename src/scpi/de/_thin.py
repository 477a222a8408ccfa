from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scpi._rng import as_generator
from scpi._screen._checks import check_counts, value_range
from scpi._screen._matrix import without_zeros

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK = 1 << 20
# Below this the fraction of a count that goes to one part varies as that of a binomial to all digits that matter
_POISSON = 1e-8
# Binomial draws are of integers of 64 bits; no count of a gene in a cell is near
_LARGEST = 1e15


def thin(
    counts: ArrayLike,
    *,
    fraction: float = 0.5,
    overdispersion: ArrayLike = 0.0,
    rng: int | np.random.Generator | None = None,
) -> tuple[Any, Any]:
    """Split every count into a train and a test part that are independent (count thinning).

    The two parts add up to the counts. A Poisson count is split by a binomial draw, so that both parts are Poisson. A
    negative binomial count with mean mu and variance mu + overdispersion mu^2 is split by a beta-binomial draw: with
    r = 1 / overdispersion, the train part given x is BetaBin(x, fraction r, (1 - fraction) r). Both parts are negative
    binomial, with means fraction mu and (1 - fraction) mu, and sizes fraction r and (1 - fraction) r.

    The parts are independent for any mean of a cell, so that depth, cell types and states need not be known. They are
    independent only at the correct overdispersion: they are positively correlated if it is too small, and negatively if
    it is too large. See :func:`scpi.de.estimate_overdispersion`.

    Parameters
    ----------
    counts
        Rows x genes, dense or sparse.
    fraction
        Expected fraction of the counts in the train part.
    overdispersion
        Overdispersion of each gene, or one number for all; 0 for Poisson counts.
    rng
        Seed or generator of the random numbers; `None` draws fresh entropy.

    Returns
    -------
    The train and the test part, dense if `counts` are dense, else in CSR format.

    Raises
    ------
    ValueError
        If `counts` has negative, fractional, missing or huge values, `fraction` is not between 0 and 1, or `overdispersion`
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
    check_fraction(fraction)
    split = Thinning(check_overdispersion(overdispersion, matrix.shape[1]), fraction, as_generator(rng))
    train, test = split.split(matrix)
    return (train, test) if sparse.issparse(matrix) else (train.toarray(), test.toarray())


class Thinning:
    """Splits the counts of cells, block by block.

    Parameters
    ----------
    overdispersion
        Overdispersion of each gene.
    fraction
        Fraction of the counts in the train part.
    rng
        Generator, whose state advances: the draws do not depend on the division into blocks.
    """

    def __init__(self, overdispersion: NDArray[np.float64], fraction: float, rng: np.random.Generator) -> None:
        self._overdispersion, self._fraction = overdispersion, fraction
        # Two streams, each of which continues with the next block
        self._counts, (self._fractions,) = rng, rng.spawn(1)

    def split(self, counts: Any) -> tuple[Any, Any]:
        """Both parts of the counts of the next cells, in CSR format without stored zeros."""
        _, largest = value_range(counts)
        if largest > _LARGEST:
            msg = f"`counts` must be at most {_LARGEST:.0e} each, but there is one of {largest:.3g}. Are they counts?"
            raise ValueError(msg)
        # Draws are made for nonzero counts only, so that they do not depend on the storage
        counts = without_zeros(counts) if sparse.issparse(counts) else sparse.csr_matrix(counts)
        parts = _Part.of(counts), _Part.of(counts)
        for start in range(0, counts.nnz, _BLOCK):
            block = slice(start, start + _BLOCK)
            values, genes = counts.data[block], counts.indices[block]
            rows = np.searchsorted(counts.indptr, np.arange(start, start + len(values)), side="right") - 1
            drawn = self._draw(values, self._overdispersion[genes])
            for part, own in zip(parts, (drawn, values - drawn), strict=True):
                part.add(own, genes, rows)
        train, test = (part.matrix(counts.shape) for part in parts)
        return train, test

    def _draw(self, counts: NDArray[Any], overdispersion: NDArray[np.float64]) -> NDArray[Any]:
        """Train part of each count, in the type of the counts."""
        fraction = np.full(len(counts), self._fraction)
        spread = np.flatnonzero(overdispersion > _POISSON)
        size = 1.0 / overdispersion[spread]
        fraction[spread] = self._fractions.beta(self._fraction * size, (1.0 - self._fraction) * size)
        return self._counts.binomial(counts.astype(np.int64), fraction).astype(counts.dtype)


def check_fraction(fraction: float) -> None:
    """Refuse a fraction that leaves one part empty."""
    if not 0.0 < fraction < 1.0:
        msg = f"`fraction` must lie between 0 and 1, both excluded, so that each part gets counts, but is {fraction}."
        raise ValueError(msg)


def check_overdispersion(overdispersion: ArrayLike, n_genes: int) -> NDArray[np.float64]:
    """Check the overdispersion, and return it for each gene."""
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


@dataclass
class _Part:
    """A sparse matrix that is filled from the start."""

    data: NDArray[Any]
    """Values; what is not filled yet takes no memory."""
    indices: NDArray[Any]
    """Gene of each value."""
    sizes: NDArray[np.int64]
    """Number of values of each row."""
    n: int = 0
    """Number of values."""

    @classmethod
    def of(cls, counts: Any) -> _Part:
        """An empty matrix with room for as many values as the counts have."""
        return cls(np.empty_like(counts.data), np.empty_like(counts.indices), np.zeros(counts.shape[0], dtype=np.int64))

    def add(self, values: NDArray[Any], genes: NDArray[Any], rows: NDArray[np.int64]) -> None:
        """Add the values that are not zero."""
        there = np.flatnonzero(values)
        end = self.n + len(there)
        self.data[self.n : end], self.indices[self.n : end] = values[there], genes[there]
        self.sizes += np.bincount(rows[there], minlength=len(self.sizes))
        self.n = end

    def matrix(self, shape: tuple[int, int]) -> Any:
        """The matrix; unused memory is released."""
        for array in (self.data, self.indices):
            array.resize(self.n, refcheck=False)
        indptr = np.concatenate([[0], np.cumsum(self.sizes)]).astype(self.indices.dtype)
        return sparse.csr_matrix((self.data, self.indices, indptr), shape=shape)
