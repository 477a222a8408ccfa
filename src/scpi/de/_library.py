from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._matrix import sums

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def library_sizes(counts: Any, lib_size: ArrayLike | None) -> NDArray[np.float64]:
    """Give the sizes of the libraries, the sums of the counts unless others are given; all positive."""
    sizes = sums(counts, axis=1) if lib_size is None else np.asarray(lib_size, dtype=np.float64)
    n_samples = counts.shape[0]
    if sizes.shape != (n_samples,):
        msg = f"`lib_size` must have one value for each of {n_samples} samples, but has shape {sizes.shape}."
        raise ValueError(msg)
    empty = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if len(empty):
        msg = f"{len(empty)} sample(s) have no counts, such as number {empty[0]}: leave them out."
        raise ValueError(msg)
    return sizes
