"""Names of units for a reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi.pl._figure import set_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def unit_titles(adata: AnnData, units: Sequence[str], key: str, n: int) -> list[str]:
    """Names of units, with the sets that they stand for below, where `scpi.tl.annotate_units` found some.

    Lines have `n` characters at most.
    """
    plain = [shorten(unit, n) for unit in units]
    stored = adata.uns.get(key)
    if not hasattr(stored, "get") or "sets" not in stored:
        return plain
    found = dict(zip(map(str, stored["units"]), map(str, stored["sets"]), strict=True))
    labels = iter(set_labels([found[unit] for unit in units if found.get(unit)], n))
    return [f"{name}\n{next(labels)}" if found.get(unit) else name for unit, name in zip(units, plain, strict=True)]
