from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from scpi.model.conditions._rows import Floats


class LowRank(NamedTuple):
    """Rows as scores of principal components."""

    mean: Floats
    scores: Floats
    """Rows x components."""
    components: Floats
    """Components x genes."""

    def restore(self, scores: Floats) -> Floats:
        """Values of scores."""
        return self.mean + scores @ self.components


def low_rank(values: Floats, n_components: int | None) -> LowRank:
    """Principal components of the rows, at most ``n_components`` of them; all values as they are if ``None``."""
    mean = values.mean(axis=0)
    if n_components is None:
        return LowRank(mean, values - mean, np.eye(values.shape[1]))
    left, size, components = np.linalg.svd(values - mean, full_matrices=False)
    kept = slice(min(n_components, int((size > size[:1] * 1e-10).sum())))
    return LowRank(mean, left[:, kept] * size[kept], components[kept])
