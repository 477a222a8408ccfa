"""Names of latent units, and what tells units of one name apart. Numeric core."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from scpi._saliency import NO_SET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_N_OWN, _N_UNEXPLAINED = 2, 3
_TINY = np.finfo(np.float64).tiny


def distinctions(
    sets: Sequence[str],
    labels: Sequence[str],
    saliency: NDArray[np.float64] | None,
    genes: NDArray[np.str_],
    described: NDArray[np.bool_],
) -> list[str]:
    """For each unit, what tells it from the other units of the same set; empty for a set that one unit has.

    Units that are to be ``described`` get it though no other unit has their set. It is the label of cells that the unit follows, if no other of them follows it; otherwise the genes of which the unit
    has the largest part of its saliency, genes x units, compared with the others. A unit without a set is described by
    its strongest genes.
    """
    found = [""] * len(sets)
    parts = None if saliency is None else np.abs(saliency) / np.maximum(np.linalg.norm(saliency, axis=0), _TINY)
    peers = {name: [i for i, other in enumerate(sets) if other == name] for name in sets}
    for i, name in enumerate(sets):
        others = [other for other in peers[name] if other != i] if name else []
        if name and not others and not described[i]:
            continue
        if name and labels[i] and labels[i] not in [labels[other] for other in others]:
            found[i] = labels[i]
        elif parts is not None:
            lead = parts[:, i] - (parts[:, others].max(axis=1) if others else 0.0)
            best = np.argsort(-lead, kind="stable")[: _N_OWN if name else _N_UNEXPLAINED]
            found[i] = ", ".join(genes[best[lead[best] > 0]])
    return found


def unit_names(units: Sequence[str], sets: Sequence[str], apart: Sequence[str]) -> list[str]:
    """A different name for each unit: its set, with what tells it apart; equal ones get the name of the unit."""
    names = [f"{name or NO_SET} ({mark})" if mark else name or NO_SET for name, mark in zip(sets, apart, strict=True)]
    counts = Counter(names)
    return [f"{name} [{unit}]" if counts[name] > 1 else name for name, unit in zip(names, units, strict=True)]
