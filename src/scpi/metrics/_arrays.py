"""Checks and small helpers that the metrics share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray


def as_sample(values: ArrayLike, name: str, *, min_rows: int = 1) -> NDArray[np.float64]:
    """Return a finite float64 matrix with one observation per row."""
    if sparse.issparse(values):
        msg = f"`{name}` is a sparse matrix. Pass a dense array of cells x features, such as principal components."
        raise TypeError(msg)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        msg = f"`{name}` must have two dimensions (observations x features), but has shape {array.shape}."
        raise ValueError(msg)
    if array.shape[0] < min_rows:
        msg = f"`{name}` has {array.shape[0]} observation(s), but at least {min_rows} are needed."
        raise ValueError(msg)
    if array.shape[1] == 0:
        msg = f"`{name}` has no columns (shape {array.shape}), but at least one is needed."
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"`{name}` has NaN or infinite values."
        raise ValueError(msg)
    return array


def as_samples(
    x: ArrayLike, y: ArrayLike, *, min_rows: int = 1, names: tuple[str, str] = ("x", "y")
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check two samples, which must have the same features."""
    first, second = as_sample(x, names[0], min_rows=min_rows), as_sample(y, names[1], min_rows=min_rows)
    if first.shape[1] != second.shape[1]:
        msg = (
            f"`{names[0]}` has {first.shape[1]} features and `{names[1]}` has {second.shape[1]}: "
            "they must be the same features."
        )
        raise ValueError(msg)
    return first, second


def as_changes(real: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check real and predicted changes: finite, with the same genes and conditions."""
    first, second = np.asarray(real, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if first.shape != second.shape:
        msg = f"`real` has shape {first.shape} and `predicted` {second.shape}: they must be of the same genes."
        raise ValueError(msg)
    if first.ndim not in (1, 2) or first.shape[-1] == 0:
        msg = f"Changes must be a vector of genes or conditions x genes, but have shape {first.shape}."
        raise ValueError(msg)
    for name, array in {"real": first, "predicted": second}.items():
        if not np.isfinite(array).all():
            msg = f"`{name}` has NaN or infinite values."
            raise ValueError(msg)
    return first, second


def as_array(values: ArrayLike) -> NDArray[Any]:
    """Return an array, with booleans of object dtype (from pandas) converted to bool."""
    array = np.asarray(values)
    held = array.dtype == object and all(isinstance(value, bool | np.bool_) for value in array.flat)
    return array.astype(bool) if held else array


def as_mask(mask: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Check a boolean array of this shape."""
    array = as_array(mask)
    if array.dtype != bool or array.shape != shape:
        msg = f"`{name}` must be boolean and of shape {shape}, but is {array.dtype} of {array.shape}."
        raise ValueError(msg)
    return array


def centred(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move both samples to their pooled mean.

    Distances do not change, but their Gram form, ``|a|^2 + |b|^2 - 2ab``, loses digits when the norms are large.
    """
    mean = (x.sum(axis=0) + y.sum(axis=0)) / (len(x) + len(y))
    return x - mean, y - mean


def distance_blocks(
    a: NDArray[np.float64], b: NDArray[np.float64] | None = None, *, block_size: int = 1024
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Yield blocks of squared Euclidean distances, each with its multiplicity.

    Without `b`, distances are within `a`: only blocks on or above the diagonal are computed (those above count twice),
    and the diagonal is exactly zero.
    """
    within = b is None
    other = a if b is None else b
    norms_a, norms_b = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", other, other)
    for i in range(0, len(a), block_size):
        rows = slice(i, i + block_size)
        for j in range(i if within else 0, len(other), block_size):
            columns = slice(j, j + block_size)
            block = a[rows] @ other[columns].T
            block *= -2.0
            block += norms_a[rows, None]
            block += norms_b[None, columns]
            np.maximum(block, 0.0, out=block)
            if within and i == j:
                np.fill_diagonal(block, 0.0)
            yield block, 2.0 if within and i != j else 1.0


def as_result(values: NDArray[np.float64]) -> float | NDArray[np.float64]:
    """Return a number if the array has no dimensions, else the array."""
    return float(values) if values.ndim == 0 else values


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, with NaN if the denominator is zero."""
    quotient = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
