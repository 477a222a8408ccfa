from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi.pl._de_panels import FAINT, MAX_VECTOR_POINTS
from scpi.pl._figure import (
    SMALL,
    VERMILLION,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def voom(
    data: AnnData | MuData,
    *,
    key: str = Key.uns.LIMMA,
    splits: Sequence[str] | str | None = None,
    n_panels: int = 6,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the mean-variance trend from which voom computed its weights, one panel per model.

    Each point is a gene. The line should follow the points and decrease, because counts of weakly expressed genes vary
    more on the log scale. If the points drop at low expression, these genes have too few counts and should be filtered
    out.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` written by :func:`scpi.de.limma`.
    splits
        Models to draw, such as cell types, in this order; if `None`, the first `n_panels`.
    n_panels
        Maximum number of models to draw if `splits=None`.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the data has no such trend.
    ValueError
        If a model is unknown, or `ax` is given for several models.
    """
    stored = resolve_modality(data, mod).uns.get(key)
    if not hasattr(stored, "get") or "voom" not in stored:
        msg = f"`adata.uns` has no voom trend under {key!r}. Call `scpi.de.limma` first."
        raise KeyError(msg)
    trend = stored["voom"]
    names = trend["split"].astype(str)
    models = list(dict.fromkeys(names))
    chosen = models[:n_panels] if splits is None else among(models, splits, "model")
    with style():
        figure, panels = panel_grid(len(chosen), ax, figsize, size=(2.36, 2.0), n_columns=3)
        for panel, name in zip(panels, chosen, strict=True):
            genes = trend[(names == name).to_numpy()].sort_values("mean_log_count", kind="stable")
            x = genes["mean_log_count"].to_numpy()
            many = len(genes) > MAX_VECTOR_POINTS
            panel.scatter(x, genes["sqrt_sd"], s=5, c=FAINT, alpha=0.6, linewidths=0, zorder=2, rasterized=many)
            panel.plot(x, genes["line"], color=VERMILLION, lw=1.2, zorder=3)
            panel.set_ylim(0, 1.05 * float(np.nanmax(genes[["sqrt_sd", "line"]].to_numpy())))
            title = f"{len(genes):,} genes"
            panel.set_title(f"{shorten(name, 30)} ({title})" if len(models) > 1 else title, fontsize=SMALL)
            panel.spines[["top", "right"]].set_visible(False)
        label_panels(panels, x=r"Mean $\log_2$ (count + 0.5)", y=r"$\sqrt{\mathrm{SD}}$ of $\log_2$ CPM")
        if splits is None:
            note_part(figure if ax is None else ax, (len(chosen), len(models), "models"))
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)
