"""Scores of genes as rankings, shared by the metrics of agreement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def check_k(k: int | None) -> None:
    """Refuse `k` below 1."""
    if k is not None and k < 1:
        msg = f"`k` must be at least 1, but is {k}."
        raise ValueError(msg)


def strength(scores: ArrayLike, *, absolute: bool) -> NDArray[np.float64]:
    """Return the values by which genes are ranked, largest first; NaN for genes without a rank."""
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[-1] == 0:
        msg = f"Scores must be a vector of genes or conditions x genes, but have shape {values.shape}."
        raise ValueError(msg)
    if not absolute:
        return values
    magnitude = np.abs(values)
    return np.where(magnitude > 0, magnitude, np.nan)


def strengths(
    first: ArrayLike, second: ArrayLike, *, absolute: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check two rankings of the same genes, and return the values to rank by."""
    if np.shape(first) != np.shape(second):
        msg = f"Scores have shapes {np.shape(first)} and {np.shape(second)}: they must be of the same genes."
        raise ValueError(msg)
    return strength(first, absolute=absolute), strength(second, absolute=absolute)


def top(values: NDArray[np.float64], k: int | NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the top `k` genes of each row, with ties broken by order; genes without a rank are never marked."""
    n = np.asarray(k)[..., None]
    order = np.argsort(-values, axis=-1, kind="stable")[..., : int(n.max())]
    chosen = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.broadcast_to(np.arange(order.shape[-1]) < n, order.shape), axis=-1)
    return chosen & ~np.isnan(values)
