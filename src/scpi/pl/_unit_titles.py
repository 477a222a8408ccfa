"""Choice and titles of the latent units of a figure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from scpi._saliency import LOWERED, NO_SET, find_units
from scpi.pl._figure import set_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def choose_units(
    units: Sequence[str] | str | None, names: NDArray[np.object_], size: NDArray[np.float64], n: int
) -> list[int]:
    """Choose the given units, or the `n` units with the largest `size` in their original order, by position."""
    if units is not None:
        return find_units(units, names)
    return sorted(np.argsort(-size, kind="stable")[:n].tolist())


def unit_titles(adata: AnnData, units: Sequence[str], key: str, n: int, *, width: int | None = None) -> list[str]:
    """Make titles of units, each with its gene set below if `scpi.tl.annotate_units` stored one under `key`.

    Names of sets have at most `n` characters, and those of units `width`, or `n` if it is not given. A minus sign
    precedes a set that the unit lowers. The distinction between units of the same set follows in brackets. With
    `width`, sets are wrapped, and the confidence of the name is in a last line; otherwise it is next to the unit.
    """
    plain = [shorten(unit, width or n) for unit in units]
    stored = adata.uns.get(key)
    if not hasattr(stored, "get") or "names" not in stored:
        return plain
    place = {str(unit): i for i, unit in enumerate(stored["units"])}
    rows = [place.get(unit, -1) for unit in units]
    sets = list(dict.fromkeys(str(stored["sets"][i]) for i in rows if i >= 0 and stored["sets"][i]))
    labels = dict(zip(sets, set_labels(sets, n), strict=True))
    titles = []
    for name, i in zip(plain, rows, strict=True):
        lines = [name]
        if i >= 0:
            own = str(stored["sets"][i])
            label = f"{LOWERED if stored['zscore'][i] < 0 else ''}{labels[own]}" if own else NO_SET
            label += f" ({shorten(str(stored['apart'][i]), n)})" if stored["apart"][i] else ""
            sure = _certainty(float(stored["pval_adj"][i]), float(stored["margin"][i])) if own else ""
            if width:
                lines += [*textwrap.wrap(label, width), *([sure] if sure else [])]
            else:
                lines = [f"{name}: {sure}" if sure else name, label]
        titles.append("\n".join(lines))
    return titles


def _certainty(pval_adj: float, margin: float) -> str:
    distance = "" if np.isnan(margin) else f", margin {margin:.1f}".replace("-", "\N{MINUS SIGN}")
    power = np.floor(np.log10(pval_adj)) if pval_adj > 0 else -np.inf
    size = f"q {pval_adj:.2g}" if power >= -3 else f"q < $10^{{{int(max(power + 1, -99))}}}$"
    return f"{size}{distance}"
