from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgba

from scpi import get
from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import read_result
from scpi.pl._figure import GREY, PAGE_WIDTH, finish, panel_grid, set_labels, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@fill
def differential_activity(
    adata: AnnData,
    *,
    groups: Sequence[str] | str | None = None,
    n_groups: int = 6,
    n_sets: int = 8,
    pval_cutoff: float = 0.05,
    key: str = Key.uns.DIFFERENTIAL_ACTIVITY,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the gene sets that each perturbation changes most, one panel for each perturbation.

    The place of a dot is the change of the mean activity, its colour the p-value; the dot is empty where the change is
    not significant.

    Parameters
    ----------
    %(adata)s
        :func:`scpi.tl.differential_activity` has been run on it.
    groups
        Perturbations to draw, in this order; if `None`, those with the most significant sets.
    n_groups
        Most perturbations to draw, where they are not chosen.
    n_sets
        Number of sets in a panel.
    pval_cutoff
        Largest adjusted p-value that counts as significant.
    key
        Entry of `adata.uns` to draw.
    %(ax)s
        Takes a single perturbation.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such result.
    ValueError
        If a perturbation was not tested, or `ax` is given for several.
    """
    summary = read_result(adata, key, tool=Key.uns.DIFFERENTIAL_ACTIVITY, part="summary")["summary"]
    if groups is None:
        ranked = summary.sort_values("n_significant", ascending=False, kind="stable")["group"]
        chosen = [str(group) for group in ranked[:n_groups]]
    else:
        chosen = [groups] if isinstance(groups, str) else [str(group) for group in groups]
    results = get.differential_activity(adata, group=chosen, top_n=n_sets, key=key)
    strength = -results["log10_pval"].to_numpy()
    scale = ScalarMappable(Normalize(0.0, max(float(strength.max(initial=1.0)), 1.0)), _colours())
    with style():
        size = (PAGE_WIDTH / 2, 0.75 + 0.15 * min(n_sets, len(results)))
        figure, panels = panel_grid(len(chosen), ax, figsize, size=size, n_columns=2)
        for panel, group in zip(panels, chosen, strict=True):
            one = results[results["group"] == group]
            places = np.arange(len(one))
            significant = (one["pval_adj"] <= pval_cutoff).to_numpy()
            colours = -one["log10_pval"].to_numpy()
            panel.axvline(0, color=GREY, lw=0.6, zorder=0)
            panel.hlines(places, 0, one["effect"], color="#CCCCCC", lw=1.0, zorder=1)
            faces: Any = np.where(significant[:, None], scale.to_rgba(colours), 1.0)
            edges: Any = np.where(significant[:, None], scale.to_rgba(colours), to_rgba(GREY))
            panel.scatter(one["effect"], places, s=26, c=faces, edgecolors=edges, zorder=3)
            panel.set_yticks(places, set_labels(one["set"].astype(str), 30))
            panel.set_ylim(len(one) - 0.5, -0.5)
            panel.margins(x=0.12)
            panel.locator_params(axis="x", nbins=4)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
            panel.set_title(shorten(group, 30), weight="bold")
        n_columns = min(2, len(panels))
        for i, panel in enumerate(panels):
            panel.set_xlabel("Change of mean activity" if i + n_columns >= len(panels) else "")
        bar = figure.colorbar(scale, ax=panels, shrink=min(1.0, 1.8 / figure.get_figheight()), aspect=20, pad=0.02)
        bar.set_label(r"$-\log_{10}$ p")
        bar.outline.set_visible(False)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _colours() -> LinearSegmentedColormap:
    """Viridis from dark to light reversed, without the yellow that is hard to see on paper."""
    return LinearSegmentedColormap.from_list("viridis_r_dark", colormaps["viridis_r"](np.linspace(0.12, 1.0, 256)))
