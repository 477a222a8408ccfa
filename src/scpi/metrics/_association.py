"""Association of the units of a model with known factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse, stats
from scipy.optimize import linear_sum_assignment

from scpi.metrics._arrays import as_sample

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def association(
    units: ArrayLike, truths: ArrayLike, *, how: Literal["spearman", "smi"] = "spearman", n_bins: int = 10
) -> NDArray[np.float64]:
    r"""Compute the association of every unit of a model with every known factor, between 0 and 1.

    Parameters
    ----------
    units
        Activities of the units, cells x units.
    truths
        Known factors of the same cells, cells x truths; or one label for each cell: each label is then a binary truth,
        in sorted order.
    how
        `"spearman"`: absolute rank correlation, with mean ranks for ties. If a truth is 0 in a fraction *q* of the
        cells, a unit that is never exactly 0 reaches at most about :math:`\sqrt{1 - q^3}`. `"smi"`: scaled mutual
        information of the unit, cut into bins of equal width, and the truth, divided by the entropy of the truth. A
        truth with at most `n_bins` values is treated as classes; others are cut into bins as well. The relation need
        not be monotone. Units that are independent of a truth have a positive bias of about
        :math:`(b - 1)(c - 1) / (2 n H)`, with *b* bins, *c* classes of entropy *H* and *n* cells.
    n_bins
        Number of bins of `"smi"`.

    Returns
    -------
    Units x truths. A constant unit has 0 with all truths.

    Raises
    ------
    ValueError
        If the shapes do not match, a value is NaN or infinite, a truth is constant, there are fewer than two bins, or
        `how` is unknown.

    Notes
    -----
    The scaled mutual information and the scores of this matrix (:func:`scpi.metrics.lms`, :func:`scpi.metrics.msas`,
    :func:`scpi.metrics.msgs`) are those of the publication of DRVI (Moinfar and Theis, bioRxiv, 2024).

    Examples
    --------
    >>> from scpi.metrics import association
    >>> association([[0.0, 3.0], [1.0, 1.0], [2.0, 2.0]], [[0.1], [0.5], [0.9]])
    array([[1. ],
           [0.5]])
    """
    if how not in ("spearman", "smi"):
        msg = f"`how` must be 'spearman' or 'smi', but is {how!r}."
        raise ValueError(msg)
    if n_bins < 2:
        msg = f"`n_bins` must be at least 2, but is {n_bins}."
        raise ValueError(msg)
    activity, known = units_and_truths(units, truths)
    found = _rank_correlation(activity, known) if how == "spearman" else _scaled_information(activity, known, n_bins)
    return np.asarray(np.clip(found, 0.0, 1.0))


def units_and_truths(units: ArrayLike, truths: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check activities and known factors; labels become one column each."""
    activity = as_sample(units, "units", min_rows=2)
    if not sparse.issparse(truths) and np.ndim(truths) == 1:
        labels = np.asarray(truths).astype(str)
        truths = labels[:, None] == np.unique(labels)
    known = as_sample(truths, "truths")
    if len(known) != len(activity):
        msg = f"`units` has {len(activity)} cells and `truths` has {len(known)}: they must be the same cells."
        raise ValueError(msg)
    still = np.flatnonzero(np.ptp(known, axis=0) == 0)
    if len(still):
        msg = f"A truth must differ between cells, but column(s) {still.tolist()} of `truths` do not."
        raise ValueError(msg)
    return activity, known


def _rank_correlation(units: NDArray[np.float64], truths: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = (_standardised(stats.rankdata(values, axis=0)) for values in (units, truths))
    return np.abs(first.T @ second)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and length 1; zeros for a constant column."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return centred / np.where(length > 0, length, 1.0)


def _scaled_information(units: NDArray[np.float64], truths: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    first = [_bins(column, n_bins) for column in units.T]
    second = [
        np.unique(column, return_inverse=True)[1] if len(np.unique(column)) <= n_bins else _bins(column, n_bins)
        for column in truths.T
    ]
    # One product gives the tables of all pairs
    tables = (_indicators(first).T @ _indicators(second)).toarray() / len(units)
    tables = tables.reshape(len(first), -1, len(second), tables.shape[1] // len(second)).swapaxes(1, 2)
    of_unit, of_truth = (_entropy(tables.sum(axis=axis)) for axis in (3, 2))
    joint = _entropy(tables.reshape(len(first), len(second), -1))
    return (of_unit + of_truth - joint) / of_truth


def _bins(values: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    """Bin of each value, of equal width between the smallest and the largest."""
    low, width = values.min(), np.ptp(values)
    place = (values - low) / (width if width > 0 else 1.0) * n_bins
    return np.minimum(place.astype(np.intp), n_bins - 1)


def _indicators(codes: list[NDArray[np.intp]]) -> sparse.csr_matrix:
    """One column for each class of each variable; all variables are padded to the largest number of classes."""
    n, width = len(codes[0]), max(int(column.max()) for column in codes) + 1
    columns = np.concatenate([column + i * width for i, column in enumerate(codes)])
    rows = np.tile(np.arange(n), len(codes))
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, width * len(codes)))


def _entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import entr

    return np.asarray(entr(probability).sum(axis=-1))


def as_association(matrix: ArrayLike) -> NDArray[np.float64]:
    """Check a matrix of units x truths."""
    values = as_sample(matrix, "matrix", min_rows=1)
    if (values < 0).any() or (values > 1).any():
        msg = "`matrix` must hold associations of units x truths between 0 and 1, as `association` gives them."
        raise ValueError(msg)
    return values


def match_units(matrix: ArrayLike) -> NDArray[np.int64]:
    """Match truths to units, one to one, such that the total association is largest.

    Parameters
    ----------
    matrix
        Units x truths, from :func:`scpi.metrics.association`.

    Returns
    -------
    The unit of each truth; -1 for unmatched truths if there are fewer units than truths.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.

    Examples
    --------
    >>> from scpi.metrics import match_units
    >>> match_units([[0.9, 0.8], [0.7, 0.1], [0.0, 0.2]]).tolist()
    [1, 0]
    """
    values = as_association(matrix)
    rows, columns = linear_sum_assignment(values, maximize=True)
    matched = np.full(values.shape[1], -1, dtype=np.int64)
    matched[columns] = rows
    return matched


def lms(matrix: ArrayLike) -> float:
    """Compute the latent matching score: mean association of the truths with their matched units, one to one.

    Parameters
    ----------
    matrix
        Units x truths, from :func:`scpi.metrics.association`.

    Returns
    -------
    The score, between 0 and 1. An unmatched truth counts as 0.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.

    Examples
    --------
    >>> from scpi.metrics import lms
    >>> round(lms([[0.9, 0.8], [0.7, 0.1]]), 3)
    0.75
    """
    values = as_association(matrix)
    return float(values[linear_sum_assignment(values, maximize=True)].sum() / values.shape[1])


def msas(matrix: ArrayLike) -> float:
    """Compute the most similar averaging score: mean over truths of the association with the most similar unit.

    Several truths may have the same unit.

    Parameters
    ----------
    matrix
        Units x truths, from :func:`scpi.metrics.association`.

    Returns
    -------
    The score, between 0 and 1, at least that of :func:`scpi.metrics.lms`.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.

    Examples
    --------
    >>> from scpi.metrics import msas
    >>> round(msas([[0.9, 0.8], [0.7, 0.1]]), 3)
    0.85
    """
    return float(as_association(matrix).max(axis=0).mean())


def msgs(matrix: ArrayLike) -> float:
    """Compute the most similar gap score: mean over truths of the gap between the two most similar units.

    Parameters
    ----------
    matrix
        Units x truths, from :func:`scpi.metrics.association`.

    Returns
    -------
    The score, between 0 and 1: 0 if each truth is equally associated with two units. A single unit is compared with 0.

    Raises
    ------
    ValueError
        If a value is not between 0 and 1.

    Examples
    --------
    >>> from scpi.metrics import msgs
    >>> round(msgs([[0.9, 0.8], [0.7, 0.1]]), 3)
    0.45
    """
    ordered = np.sort(as_association(matrix), axis=0)
    second = ordered[-2] if len(ordered) > 1 else 0.0
    return float((ordered[-1] - second).mean())


def mig(units: ArrayLike, truths: ArrayLike, *, n_bins: int = 20) -> float:
    """Compute the mutual information gap between the two most informative units of a truth, over its entropy.

    Parameters
    ----------
    units
        Activities of the units, cells x units.
    truths
        Known factors of the same cells, cells x truths, or one label for each cell.
    n_bins
        Number of bins of equal width for the units, and for truths with more values than that.

    Returns
    -------
    The mean gap, between 0 and 1: the :func:`scpi.metrics.msgs` of the scaled mutual information.

    Raises
    ------
    ValueError
        As in :func:`scpi.metrics.association`.

    Notes
    -----
    The definition is that of Chen et al. (NeurIPS, 2018).

    Examples
    --------
    >>> from scpi.metrics import mig
    >>> round(mig([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]], [[0], [0], [1], [1]]), 3)
    1.0
    """
    return msgs(association(units, truths, how="smi", n_bins=n_bins))
