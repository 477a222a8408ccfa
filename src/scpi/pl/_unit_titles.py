"""Names of units for a reader."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scpi.pl._figure import set_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

_MINUS = "\N{MINUS SIGN} "


def unit_titles(adata: AnnData, units: Sequence[str], key: str, n: int, *, width: int | None = None) -> list[str]:
    """Names of units, with the sets that they stand for below, where `scpi.tl.annotate_units` found some.

    Names have `n` characters at most, in lines of `width` if that is given. A minus stands before a set that the unit
    lowers.
    """
    plain = [shorten(unit, n) for unit in units]
    stored = adata.uns.get(key)
    if not hasattr(stored, "get") or "sets" not in stored:
        return plain
    found = dict(zip(map(str, stored["units"]), map(str, stored["sets"]), strict=True))
    lowered = dict(zip(found, np.asarray(stored.get("zscore", np.zeros(len(found)))) < 0, strict=True))
    labels = iter(set_labels([found[unit] for unit in units if found.get(unit)], n))
    titles = []
    for unit, name in zip(units, plain, strict=True):
        label = f"{_MINUS if lowered[unit] else ''}{next(labels)}" if found.get(unit) else ""
        titles.append("\n".join([name, *(textwrap.wrap(label, width) if width else [label] if label else [])]))
    return titles
