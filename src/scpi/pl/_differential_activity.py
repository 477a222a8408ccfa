from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._figure import (
    GREY,
    PAGE_WIDTH,
    colour_bar,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    set_labels,
    shorten,
    style,
)
from scpi.pl._pathway_activity import strongest_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def differential_activity(
    data: AnnData | MuData,
    *,
    groups: Sequence[str] | str | None = None,
    n_groups: int = 6,
    n_sets: int = 8,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.DIFFERENTIAL_ACTIVITY,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the gene sets with the strongest change in activity, one panel per perturbation.

    The position of a dot is the change in mean activity, and its colour the p-value; the dot is empty if the change
    is not significant.

    Parameters
    ----------
    %(data)s
        :func:`scpi.tl.differential_activity` has been run on it.
    %(activity_groups)s
    n_sets
        Number of gene sets per panel.
    %(significant_pval_cutoff)s
    %(result_key)s
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    %(result_KeyError)s
    ValueError
        If a perturbation was not tested, or `ax` is given for several perturbations.
    """
    adata = resolve_modality(data, mod)
    summary = read_result(adata, key, tool=Key.uns.DIFFERENTIAL_ACTIVITY, part="summary")["summary"]
    if groups is None:
        chosen = strongest_groups(summary, n_groups)
    else:
        chosen = [groups] if isinstance(groups, str) else [str(group) for group in groups]
    results = get.differential_activity(adata, group=chosen, top_n=n_sets, key=key)
    strength = -results["log10_pval"].to_numpy()
    scale = ScalarMappable(Normalize(0.0, max(float(strength.max(initial=1.0)), 1.0)), _colours())
    with style():
        size = (PAGE_WIDTH / 2, 0.75 + 0.15 * min(n_sets, len(results)))
        figure, panels = panel_grid(len(chosen), ax, figsize, size=size, n_columns=2)
        for panel, group in zip(panels, chosen, strict=True):
            sets = results[results["group"] == group]
            rows = np.arange(len(sets))
            significant = (sets["pval_adj"] <= pval_cutoff).to_numpy()
            colours = -sets["log10_pval"].to_numpy()
            panel.axvline(0, color=GREY, lw=0.6, zorder=0)
            panel.hlines(rows, 0, sets["effect"], color="#CCCCCC", lw=1.0, zorder=1)
            faces: Any = np.where(significant[:, None], scale.to_rgba(colours), 1.0)
            edges: Any = np.where(significant[:, None], scale.to_rgba(colours), to_rgba(GREY))
            panel.scatter(sets["effect"], rows, s=26, c=faces, edgecolors=edges, zorder=3)
            panel.set_yticks(rows, set_labels(sets["set"].astype(str), 30))
            panel.set_ylim(len(sets) - 0.5, -0.5)
            panel.margins(x=0.12)
            panel.locator_params(axis="x", nbins=4)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_title(shorten(group, 30), weight="bold")
        label_panels(panels, x="Change of mean activity")
        shrink = min(1.0, 1.8 / figure.get_figheight())
        colour_bar(figure, scale, panels, r"$-\log_{10}$ p", shrink=shrink, aspect=20, pad=0.02)
        if groups is None:
            note_part(figure if ax is None else ax, (len(chosen), len(summary), "perturbations"), grow=figsize is None)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _colours() -> LinearSegmentedColormap:
    """Reversed viridis without its yellow end, which is hard to see on paper."""
    return LinearSegmentedColormap.from_list("viridis_r_dark", colormaps["viridis_r"](np.linspace(0.12, 1.0, 256)))
