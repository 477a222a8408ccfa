from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._docs import fill
from scpi._keys import Key
from scpi._slots import listed, read_result
from scpi.pl._figure import BLUE, GREY, SMALL, VERMILLION, finish, panel_grid, place_labels, shorten, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@fill
def prediction(
    adata: AnnData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_panels: int = 6,
    n_genes: int = 5,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the predicted against the real change of expression, one panel for each perturbation.

    On the dashed line prediction and measurement agree; a prediction of no change is the horizontal line. Written in
    each panel are the Pearson correlation, with its ceiling (what one half of the real cells says of the other), and
    the root mean squared error, with that of no change.

    Parameters
    ----------
    adata
        Predicted cells, as :func:`scpi.tl.score_prediction` has scored them.
    perturbations
        Perturbations to draw, in this order; if `None`, those with the most real cells.
    n_panels
        Most perturbations to draw, where they are not chosen.
    n_genes
        Number of genes to name, those whose real change is largest.
    %(ax)s
        Takes a single perturbation.
    %(panels_figsize)s

    Raises
    ------
    KeyError
        If the prediction was not scored.
    ValueError
        If a perturbation is unknown or has no real cells, or `ax` is given for several.
    """
    stored = read_result(adata, Key.uns.PREDICTION, tool="score_prediction", part="scores")
    scores = stored["scores"].assign(perturbation=lambda frame: frame["perturbation"].astype(str))
    scores = scores.set_index("perturbation")
    labels = [str(label) for label in stored["perturbations"]]
    measured = scores.index[scores["n_real"] > 0]
    if perturbations is None:
        chosen = scores.loc[measured, "n_real"].sort_values(ascending=False, kind="stable").index[:n_panels].tolist()
    else:
        chosen = [perturbations] if isinstance(perturbations, str) else [str(label) for label in perturbations]
        unknown = [label for label in chosen if label not in measured]
        if unknown or not chosen:
            msg = f"No real cells of {listed(unknown)}: there are some of {listed(measured)}."
            raise ValueError(msg)
    real = np.asarray(adata.varm[Key.varm.CHANGE_REAL], dtype=np.float64)
    predicted = np.asarray(adata.varm[Key.varm.CHANGE_PREDICTED], dtype=np.float64)
    with style():
        figure, panels = panel_grid(len(chosen), ax, figsize, size=(2.36, 2.75), n_columns=3)
        for panel, label in zip(panels, chosen, strict=True):
            column = labels.index(label)
            _panel(panel, real[:, column], predicted[:, column], label, scores.loc[label])
        n_columns = min(3, len(panels))
        for i, panel in enumerate(panels):
            panel.set_xlabel("Real change" if i + n_columns >= len(panels) else "")
            panel.set_ylabel("Predicted change" if i % n_columns == 0 else "")
        # Labels need the final layout of all panels
        for panel, label in zip(panels, chosen, strict=True):
            x, y = real[:, labels.index(label)], predicted[:, labels.index(label)]
            top = np.argsort(-np.abs(x), kind="stable")[:n_genes]
            panel.scatter(x[top], y[top], s=9, c=VERMILLION, linewidths=0, zorder=3)
            place_labels(panel, x, y, [shorten(str(name), 16) for name in adata.var_names[top]], shown=top)
        return finish(figure, panels[0] if len(panels) == 1 else panels, ax=ax, show=show, return_fig=return_fig)


def _panel(ax: Axes, x: np.ndarray, y: np.ndarray, label: str, scores: pd.Series) -> None:
    limit = 1.12 * max(float(np.abs(x).max()), float(np.abs(y).max()), 1e-12)
    ax.axhline(0, color="#DDDDDD", lw=0.6, zorder=0)
    ax.axvline(0, color="#DDDDDD", lw=0.6, zorder=0)
    ax.plot([-limit, limit], [-limit, limit], ls="--", color=GREY, lw=0.8, zorder=1)
    # Points of thousands of genes would make a vector file slow to open
    ax.scatter(x, y, s=7, c=BLUE, alpha=0.6, linewidths=0, zorder=2, rasterized=len(x) > 2000)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.locator_params(nbins=5)
    ax.spines[["top", "right"]].set_visible(False)
    lines = [f"{shorten(label, 22)} ({int(scores['n_real'])} cells)"]
    for name, against, symbol, word in (
        ("pearson", "pearson_ceiling", "r", "ceiling"),
        ("rmse", "rmse_no_change", "RMSE", "no change"),
    ):
        digits = ".2f" if name == "pearson" else "#.2g"
        if name in scores and np.isfinite(scores[name]):
            line = f"{symbol} {scores[name]:{digits}}"
            if np.isfinite(scores.get(against, np.nan)):
                line += f" ({word} {scores[against]:{digits}})"
            lines.append(line)
    ax.set_title("\n".join(lines), fontsize=SMALL, linespacing=1.3)
