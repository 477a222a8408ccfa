"""Agreement of predicted and real changes of expression.

All functions take changes relative to the control, as a vector of genes or as conditions x genes. They return a number
for two vectors, or one value for each condition.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from scpi.metrics._arrays import as_changes, as_result, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


_PARAMETERS = """Parameters
----------
real, predicted
    Changes relative to the control: a vector of genes, or conditions x genes.

"""
_RAISES = """Raises
------
ValueError
    If the shapes differ or a value is NaN or infinite.

"""


def _of_changes(
    kernel: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Callable[[ArrayLike, ArrayLike], float | NDArray[np.float64]]:
    """Turn a function of two checked arrays into a metric, with the docstring sections that all metrics here share."""

    def metric(real: ArrayLike, predicted: ArrayLike) -> float | NDArray[np.float64]:
        return as_result(np.asarray(kernel(*as_changes(real, predicted))))

    for name in ("__module__", "__name__", "__qualname__"):
        setattr(metric, name, getattr(kernel, name))
    if kernel.__doc__ is not None:  # under `python -OO` there is none
        documented = inspect.cleandoc(kernel.__doc__).replace("Returns\n---", f"{_PARAMETERS}Returns\n---")
        metric.__doc__ = documented.replace("Examples\n---", f"{_RAISES}Examples\n---")
    return metric


@_of_changes
def cosine(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the cosine similarity of the real and the predicted change.

    Returns
    -------
    Values between -1 and 1. NaN if the real change is zero in all genes, 0 if the predicted one is.

    Examples
    --------
    >>> from scpi.metrics import cosine
    >>> cosine([1.0, 1.0], [1.0, -1.0])
    0.0
    """
    norms = np.sqrt((x * x).sum(axis=-1)) * np.sqrt((y * y).sum(axis=-1))
    return _agreement((x * y).sum(axis=-1), norms, says_nothing=~y.any(axis=-1), undefined=~x.any(axis=-1))


@_of_changes
def pearson_delta(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the Pearson correlation across genes of the real and the predicted change.

    It is computed on changes, not on expression: expression profiles correlate at 0.9 and more for any prediction,
    because differences between genes outweigh those between conditions.

    Returns
    -------
    Values between -1 and 1. NaN if the real change is equal for all genes. 0 if the predicted one is, such as no
    change: with NaN, a model could exclude conditions from its mean by predicting no change.

    Examples
    --------
    >>> from scpi.metrics import pearson_delta
    >>> round(pearson_delta([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]), 6)
    1.0
    """
    return _correlation(x, y)


@_of_changes
def spearman_delta(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the rank correlation across genes of the real and the predicted change, with mean ranks for ties.

    Returns
    -------
    Values between -1 and 1. NaN if the real change is equal for all genes. 0 if the predicted one is, such as no
    change: with NaN, a model could exclude conditions from its mean by predicting no change.

    Examples
    --------
    >>> from scpi.metrics import spearman_delta
    >>> round(spearman_delta([0.0, 1.0, 2.0], [1.0, 8.0, 9.0]), 6)
    1.0
    """
    return _correlation(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    # A constant row minus its rounded mean may differ from zero in the last bit
    undefined, says_nothing = np.ptp(x, axis=-1) == 0, np.ptp(y, axis=-1) == 0
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    norms = np.sqrt((x * x).sum(axis=-1)) * np.sqrt((y * y).sum(axis=-1))
    return _agreement((x * y).sum(axis=-1), norms, says_nothing=says_nothing, undefined=undefined)


def _agreement(
    product: NDArray[np.float64],
    norms: NDArray[np.float64],
    *,
    says_nothing: NDArray[np.bool_] | np.bool_,
    undefined: NDArray[np.bool_] | np.bool_,
) -> NDArray[np.float64]:
    cosines = np.clip(ratio(product, np.where(says_nothing, 0.0, norms)), -1.0, 1.0)
    return np.where(undefined, np.nan, np.where(says_nothing, 0.0, cosines))


@_of_changes
def r2(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the fraction of the variance across genes of the real change that the prediction explains.

    Returns
    -------
    Values up to 1, not clipped at 0: negative if predicting the mean over genes would be better. NaN if the real change
    is equal for all genes.

    Examples
    --------
    >>> from scpi.metrics import r2
    >>> r2([0.0, 2.0], [0.0, 1.0])
    0.5
    """
    constant = np.ptp(x, axis=-1) == 0
    total = ((x - x.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return 1.0 - ratio(((x - y) ** 2).sum(axis=-1), np.where(constant, 0.0, total))


@_of_changes
def rmse(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the root mean squared error over genes, in the units of the change.

    Returns
    -------
    Values from 0.

    Examples
    --------
    >>> from scpi.metrics import rmse
    >>> rmse([0.0, 0.0], [1.0, -1.0])
    1.0
    """
    return np.sqrt(((x - y) ** 2).mean(axis=-1))


@_of_changes
def mae(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean absolute error over genes, in the units of the change.

    Returns
    -------
    Values from 0.

    Examples
    --------
    >>> from scpi.metrics import mae
    >>> mae([0.0, 0.0], [1.0, -3.0])
    2.0
    """
    return np.abs(x - y).mean(axis=-1)


@_of_changes
def sign_accuracy(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the fraction of the changing genes whose direction is predicted correctly.

    Returns
    -------
    Values between 0 and 1. Genes whose real change is exactly zero are excluded; genes that are predicted not to change
    count as wrong. NaN if no gene changes.

    Examples
    --------
    >>> from scpi.metrics import sign_accuracy
    >>> sign_accuracy([1.0, -1.0, 0.0], [0.5, 2.0, 1.0])
    0.5
    """
    changes = x != 0
    right = changes & (np.sign(x) == np.sign(y))
    return ratio(right.sum(axis=-1, dtype=np.float64), changes.sum(axis=-1, dtype=np.float64))
