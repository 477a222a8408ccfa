"""Order of the genes of a ranking, with genes that few cells express last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._groups import other_mean
from scpi._screen._blocks import transformed
from scpi.de import group_moments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def fractions(
    counts: Any, codes: NDArray[np.intp], n_groups: int, reference: int | None
) -> dict[str, NDArray[np.float64]]:
    """Compute the fractions of cells, of each group and of the reference or all others, that express each gene."""
    there = transformed(counts, lambda block: (block.values != 0).astype(np.float32))
    moments = group_moments(there, codes, n_groups=n_groups)
    mean = np.where(moments.size[:, None] > 0, moments.mean, 0.0)
    return {"pts": mean, "pts_rest": other_mean(mean, moments.size, reference)}


def places(
    scores: NDArray[np.float64],
    effect: NDArray[np.float64],
    found_in: Mapping[str, NDArray[np.float64]],
    *,
    min_fraction: float,
    absolute: bool,
) -> NDArray[np.intp]:
    """Rank the genes of each group by score, and among equal scores by effect.

    Genes come last if a smaller fraction of the cells expresses them, on the side where they are higher.
    """
    fraction = np.where(effect >= 0, found_in["pts"], found_in["pts_rest"])
    by, then = (np.abs(scores), np.abs(effect)) if absolute else (scores, effect)
    order = np.lexsort((-then, -by, fraction < min_fraction), axis=1)
    return np.asarray(np.argsort(order, axis=1, kind="stable"))
