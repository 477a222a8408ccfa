"""Models with other seeds, to check whether they explain a prediction in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scpi.model.base import ScreenModel


def refits(
    model: ScreenModel, n: int, *, train_kwargs: Mapping[str, Any], rng: np.random.Generator
) -> Iterator[ScreenModel]:
    """Train models with the same arguments, other seeds, and a random half of the cells of each condition."""
    if not n:
        return
    cells = model._calibration_cells()
    codes = np.unique(
        np.stack([model._condition_codes(model.adata)[cells], model._context_codes(model.adata)[cells]]),
        axis=1,
        return_inverse=True,
    )[1].reshape(-1)
    for _ in range(n):
        drawn = rng.random(len(cells))
        order = np.lexsort((drawn, codes))
        first = np.r_[0, np.flatnonzero(np.diff(codes[order])) + 1]
        sizes = np.diff(np.r_[first, len(cells)])
        within = np.arange(len(cells)) - np.repeat(first, sizes)
        half = cells[order[within < np.repeat(-(-sizes // 2), sizes)]]
        yield model._without(np.sort(half), {"seed": int(rng.integers(2**31)), **train_kwargs})
