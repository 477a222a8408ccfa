from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def library_sizes(counts: Any, lib_size: ArrayLike | None) -> NDArray[np.float64]:
    """Give the sizes of the libraries, the sums of the counts unless others are given; all positive."""
    if lib_size is None:
        sizes = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    else:
        sizes = np.asarray(lib_size, dtype=np.float64)
    n_samples = counts.shape[0]
    if sizes.shape != (n_samples,):
        msg = f"`lib_size` must have one value for each of {n_samples} samples, but has shape {sizes.shape}."
        raise ValueError(msg)
    empty = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if len(empty):
        msg = f"{len(empty)} sample(s) have no counts, such as number {empty[0]}: leave them out."
        raise ValueError(msg)
    return sizes


def dense_rows(counts: Any, rows: slice) -> NDArray[np.float64]:
    """Some samples as a dense array."""
    block = counts[rows]
    return np.asarray(block.toarray() if sparse.issparse(block) else block, dtype=np.float64)
