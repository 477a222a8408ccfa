from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import NullFormatter

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._figure import (
    BLUE,
    GREY,
    PAGE_WIDTH,
    finish_panels,
    n_columns_of,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData

LIGHT = "#CCCCCC"


@fill
def perturbation_effect(
    data: AnnData | MuData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_perturbations: int = 40,
    key: str = Key.uns.PERTURBATION_EFFECT,
    responders_key: str = Key.uns.RESPONDERS,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the distance of the cells of each perturbation from the controls, ordered by effect.

    Perturbations without a significant effect have empty dots and grey names. The dashed line is the expected score
    without an effect. If :func:`scpi.tl.responders` was run, a second panel shows the fraction of responders with its
    95 % interval.

    Parameters
    ----------
    %(data)s
    perturbations
        Perturbations to draw; if ``None``, those with the strongest effects.
    n_perturbations
        Maximum number of perturbations to draw if ``perturbations=None``.
    %(result_key)s
    responders_key
        Entry of ``adata.uns`` with the fractions of responders, drawn if it exists and no ``ax`` is given.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a perturbation was not tested, or none is to be drawn.
    """
    adata = resolve_modality(data, mod)
    results = get.perturbation_effect(adata, key=key)
    shown = _chosen(results, perturbations, n_perturbations)
    has_responders = ax is None and responders_key in adata.uns
    n = 2 if has_responders else 1
    with style():
        size = (PAGE_WIDTH / 2, 0.6 + 0.14 * len(shown))
        figure, panels = panel_grid(n, ax, figsize, size=size, n_columns=2)
        first, rows = panels[0], np.arange(len(shown))
        active = shown["active"].to_numpy(dtype=bool)
        scores = np.maximum(shown["score"].to_numpy(dtype=np.float64), 0.1)
        first.axvline(1, color=GREY, lw=0.6, ls="--", zorder=0)
        first.hlines(rows, 1, scores, color=LIGHT, lw=1.0, zorder=1)
        faces = [to_rgba(BLUE if is_active else "white") for is_active in active]
        edges = [to_rgba(BLUE if is_active else GREY) for is_active in active]
        first.scatter(scores, rows, s=22, c=faces, edgecolors=edges, zorder=3)
        first.set_xscale("log")
        first.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        first.xaxis.set_minor_formatter(NullFormatter())
        first.set_xlabel("Energy distance / expected without an effect")
        first.set_title(f"{int(results['active'].sum())} of {len(results)} perturbations are active")
        if has_responders:
            _draw_fractions(panels[1], get.responders(adata, key=responders_key), shown)
        for panel in panels:
            panel.set_yticks(rows, [shorten(str(name), 24) for name in shown["perturbation"]])
            panel.set_ylim(len(shown) - 0.5, -0.5)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
        for label, is_active in zip(first.get_yticklabels(), active, strict=True):
            label.set_color("black" if is_active else GREY)
        if has_responders:
            panels[1].tick_params(axis="y", labelleft=n_columns_of(panels) == 1)
        if perturbations is None:
            note_part(figure if ax is None else ax, (len(shown), len(results), "perturbations"), grow=figsize is None)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _chosen(results: pd.DataFrame, perturbations: Sequence[str] | str | None, n: int) -> pd.DataFrame:
    """Choose the rows to draw, the strongest effect first."""
    ranked = results.sort_values("score", ascending=False, kind="stable")
    if perturbations is None:
        shown = ranked.head(max(n, 0))
    else:
        asked = [perturbations] if isinstance(perturbations, str) else [str(name) for name in perturbations]
        tested = ranked["perturbation"].astype(str)
        unknown = [name for name in asked if name not in set(tested)]
        if unknown:
            msg = f"These perturbations were not tested: {listed(unknown)}. Tested were {listed(tested)}."
            raise ValueError(msg)
        shown = ranked[tested.isin(asked)]
    if shown.empty:
        msg = "There is no perturbation to draw: `perturbations` is empty, or `n_perturbations` is less than 1."
        raise ValueError(msg)
    return shown


def _draw_fractions(panel: Axes, responders: pd.DataFrame, shown: pd.DataFrame) -> None:
    """Draw the fraction of responders with its interval; the dot is empty without responders, or without an effect."""
    found = responders.set_index("perturbation").reindex(shown["perturbation"])
    fraction, low, high = (np.nan_to_num(found[f"fraction{end}"].to_numpy()) for end in ("", "_low", "_high"))
    rows, some = np.arange(len(shown)), fraction > 0
    panel.hlines(rows[some], low[some], high[some], color=GREY, lw=1.0, zorder=1)
    full = some & shown["active"].to_numpy(dtype=bool)
    panel.scatter(fraction[full], rows[full], s=22, c=BLUE, zorder=3)
    panel.scatter(fraction[~full], rows[~full], s=22, c="white", edgecolors=GREY, zorder=3, clip_on=False)
    panel.set_xlim(0, 1)
    panel.set_xlabel("Fraction of responders")
