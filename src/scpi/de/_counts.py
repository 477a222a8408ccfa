from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK = 1 << 22
# exp(20) is more than any count of a gene: what is fractional and stays below is on a log scale
_LARGEST_LOG = 20.0
_HINT = "Give raw counts, such as `layer='counts'`."


def check_counts(values: ArrayLike, *, name: str = "counts") -> Any:
    """Give a matrix of counts, dense or CSR, of rows x genes, or say what it is instead.

    Parameters
    ----------
    values
        Rows x genes, dense or sparse, of any numeric type.
    name
        What an error message calls it.

    Returns
    -------
    The same values, not copied where they are dense or CSR.

    Raises
    ------
    ValueError
        If this is no matrix, or a value is missing, infinite, negative or fractional. Fractional values that are all
        small are named as what they are: the logarithm of normalised counts.
    """
    given: Any = values
    matrix: Any = given.tocsr() if sparse.issparse(given) else np.asarray(given)
    if matrix.ndim != 2:
        msg = f"`{name}` must be rows x genes, but has shape {matrix.shape}."
        raise ValueError(msg)
    data = matrix.data if sparse.issparse(matrix) else matrix
    if data.dtype.kind not in "fiub":
        msg = f"`{name}` must be numbers, but has dtype {data.dtype}."
        raise ValueError(msg)
    if data.dtype.kind in "iu" and (data.size == 0 or data.min() >= 0):
        return matrix
    # Blocks bound what the checks hold beside the matrix
    n_rows = max(1, _BLOCK // max(1, data.size // max(1, len(data))))
    blocks = [data[start : start + n_rows] for start in range(0, len(data), n_rows)]
    _refuse(name, "missing or infinite", sum(int((~np.isfinite(block)).sum()) for block in blocks), data.size)
    _refuse(name, "negative", sum(int((block < 0).sum()) for block in blocks), data.size)
    fractional = [_fractional(block) for block in blocks]
    n_fractional = sum(len(found) for found in fractional)
    if n_fractional:
        example = next(found for found in fractional if len(found))[:3]
        largest = max(float(block.max()) for block in blocks if block.size)
        looks = (
            "It looks like log-normalised data"
            if largest < _LARGEST_LOG
            else "It looks like normalised counts, or estimated ones, which can be rounded"
        )
        msg = (
            f"`{name}` must be counts, but has {n_fractional} fractional values, such as "
            f"{', '.join(f'{value:.4g}' for value in example)}; the largest value is {largest:.4g}. {looks}. {_HINT}"
        )
        raise ValueError(msg)
    return matrix


def _fractional(block: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(block[block != np.rint(block)]) if block.dtype.kind == "f" else np.zeros(0)


def _refuse(name: str, kind: str, n: int, n_all: int) -> None:
    if n:
        msg = f"`{name}` must be counts, but {n} of {n_all} values are {kind}. {_HINT}"
        raise ValueError(msg)
