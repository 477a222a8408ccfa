"""Latent units of a figure: which are drawn, and their titles."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scpi._saliency import find_units
from scpi.pl._figure import set_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

_MINUS = "\N{MINUS SIGN} "


def choose_units(
    units: Sequence[str] | str | None, names: NDArray[np.object_], size: NDArray[np.float64], n: int
) -> list[int]:
    """Positions of the given units, or of the `n` units with the largest `size` in their original order."""
    if units is not None:
        return find_units(units, names)
    return sorted(np.argsort(-size, kind="stable")[:n].tolist())


def unit_titles(adata: AnnData, units: Sequence[str], key: str, n: int, *, width: int | None = None) -> list[str]:
    """Names of units, each with the name of its gene set below if `scpi.tl.annotate_units` assigned one.

    Parameters
    ----------
    adata
        Annotated data.
    units
        Names of the units.
    key
        Entry of `adata.uns` that `scpi.tl.annotate_units` wrote; without it, titles are the names of the units.
    n
        Maximum number of characters of the name of a unit, and of a gene set.
    width
        Number of characters at which the name of a gene set is wrapped; one line if `None`.

    Returns
    -------
    One title per unit. A minus sign precedes the gene sets that a unit lowers.
    """
    plain = [shorten(unit, n) for unit in units]
    stored = adata.uns.get(key)
    if not hasattr(stored, "get") or "sets" not in stored:
        return plain
    set_of = dict(zip(map(str, stored["units"]), map(str, stored["sets"]), strict=True))
    lowered = dict(zip(set_of, np.asarray(stored.get("zscore", np.zeros(len(set_of)))) < 0, strict=True))
    labels = iter(set_labels([set_of[unit] for unit in units if set_of.get(unit)], n))
    titles = []
    for unit, name in zip(units, plain, strict=True):
        label = f"{_MINUS if lowered[unit] else ''}{next(labels)}" if set_of.get(unit) else ""
        titles.append("\n".join([name, *(textwrap.wrap(label, width) if width else [label] if label else [])]))
    return titles
