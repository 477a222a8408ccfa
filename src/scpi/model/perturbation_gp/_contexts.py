"""Relations between contexts, which determine how much of an effect in one is expected in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Squared distances at which the similarity of controls falls to 1 / e, relative to the median one of the known contexts: one is for
# contexts of a kind, and under the other one effects are nearly linear in the controls
_SCALES = (0.5, 4.0)


def relations(control: Floats, known: Floats, own: Floats) -> Floats:
    """Similarities of contexts to the ``known`` ones, relations x contexts x known contexts.

    Two are of the means of their controls, contexts x genes, near by and far off. The last, ``own``, is 1 for a context and itself.
    """
    between = _squared_distances(known, known)
    unit = float(np.median(between[~np.eye(len(known), dtype=bool)])) if len(known) > 1 else 0.0
    distances = _squared_distances(control, known)
    alike = [np.exp(-distances / (scale * unit)) if unit > 0 else np.ones_like(distances) for scale in _SCALES]
    return np.stack([*alike, own])


def _squared_distances(rows: Floats, others: Floats) -> Floats:
    squared = np.square(rows).sum(axis=1)[:, None] + np.square(others).sum(axis=1) - 2.0 * rows @ others.T
    return np.maximum(squared, 0.0)
