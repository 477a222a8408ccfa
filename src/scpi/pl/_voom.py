from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import listed
from scpi.pl._de_panels import FAINT, MANY
from scpi.pl._figure import SMALL, VERMILLION, finish, panel_grid, shorten, style

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
    """Draw the trend from which voom took its weights, one panel for each model.

    A point is a gene. The line should follow the points from left to right and fall: counts of weakly expressed genes
    vary more, on the log scale. Points that fall away on the left are genes with too few counts, of which a stricter
    filter would be rid.

    Parameters
    ----------
    %(data)s
    key
        Entry of `adata.uns` that :func:`scpi.de.limma` wrote.
    splits
        Models to draw, such as cell types, in this order; if `None`, the first `n_panels`.
    n_panels
        Most models to draw, where they are not chosen.
    %(mod)s
    %(ax)s
        Takes a single model.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the data holds no such trend.
    ValueError
        If a model is unknown, or `ax` is given for several.
    """
    stored = resolve_modality(data, mod).uns.get(key)
    if not hasattr(stored, "get") or "voom" not in stored:
        msg = f"`adata.uns` has no trend of voom under {key!r}. Call `scpi.de.limma` first."
        raise KeyError(msg)
    trend = stored["voom"]
    names = trend["split"].astype(str)
    models = list(dict.fromkeys(names))
    if splits is None:
        chosen = models[:n_panels]
    else:
        chosen = [splits] if isinstance(splits, str) else [str(name) for name in splits]
        unknown = [name for name in chosen if name not in models]
        if unknown or not chosen:
            msg = f"There is no model of {listed(unknown)}, only of {listed(models)}."
            raise ValueError(msg)
    with style():
        figure, panels = panel_grid(len(chosen), ax, figsize, size=(2.36, 2.0), n_columns=3)
        n_columns = min(3, len(panels))
        for i, (panel, name) in enumerate(zip(panels, chosen, strict=True)):
            one = trend[(names == name).to_numpy()].sort_values("mean_log_count", kind="stable")
            x = one["mean_log_count"].to_numpy()
            many = len(one) > MANY
            panel.scatter(x, one["sqrt_sd"], s=5, c=FAINT, alpha=0.6, linewidths=0, zorder=2, rasterized=many)
            panel.plot(x, one["line"], color=VERMILLION, lw=1.2, zorder=3)
            panel.set_ylim(0, 1.05 * float(np.nanmax(one[["sqrt_sd", "line"]].to_numpy())))
            panel.set_title(
                f"{shorten(name, 30)} ({len(one):,} genes)" if len(models) > 1 else f"{len(one):,} genes",
                fontsize=SMALL,
            )
            panel.set_xlabel(r"Mean $\log_2$ (count + 0.5)" if i + n_columns >= len(panels) else "")
            panel.set_ylabel(r"$\sqrt{\mathrm{SD}}$ of $\log_2$ CPM" if i % n_columns == 0 else "")
            panel.spines[["top", "right"]].set_visible(False)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)
