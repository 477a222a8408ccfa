from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scpi._changes import among
from scpi._docs import fill
from scpi._keys import Key
from scpi._mudata import resolve_modality
from scpi._slots import read_result
from scpi.pl._de_panels import MAX_VECTOR_POINTS
from scpi.pl._figure import (
    BLUE,
    GREY,
    SMALL,
    VERMILLION,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    place_labels,
    shorten,
    style,
)
from scpi.pl._fit import fit_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mudata import MuData


@fill
def prediction(
    data: AnnData | MuData,
    *,
    perturbations: Sequence[str] | str | None = None,
    n_panels: int = 6,
    n_genes: int = 5,
    mod: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Axes | list[Axes] | Figure | None:
    """Draw the predicted against the measured change in expression, one panel per perturbation.

    Prediction and measurement are equal on the dashed line; the horizontal line is a prediction of no change. The title
    of each panel gives the Pearson correlation with its ceiling (the correlation between two halves of the measured
    cells), and the root mean squared error with that of a prediction of no change.

    Parameters
    ----------
    data
        Predicted cells, cells x genes, after :func:`scpi.tl.score_prediction`.
    perturbations
        Perturbations to draw, in this order; if `None`, those with the most measured cells.
    n_panels
        Maximum number of perturbations to draw if `perturbations=None`.
    n_genes
        Number of genes to label, those with the largest measured change.
    %(mod)s
    %(panels_ax)s

    %(panels_Returns)s

    Raises
    ------
    KeyError
        If the prediction was not scored.
    ValueError
        If a perturbation is unknown or has no measured cells, or `ax` is given for several perturbations.
    """
    adata = resolve_modality(data, mod)
    stored = read_result(adata, Key.uns.PREDICTION, tool="score_prediction", part="scores")
    scores = stored["scores"].assign(perturbation=lambda frame: frame["perturbation"].astype(str))
    scores = scores.set_index("perturbation")
    labels = [str(label) for label in stored["perturbations"]]
    n_cells = scores.loc[scores["n_real"] > 0, "n_real"]
    if perturbations is None:
        chosen = n_cells.sort_values(ascending=False, kind="stable").index[:n_panels].tolist()
    else:
        chosen = among(n_cells.index.tolist(), perturbations, "measured perturbation")
    real = np.asarray(adata.varm[Key.varm.CHANGE_REAL], dtype=np.float64)
    predicted = np.asarray(adata.varm[Key.varm.CHANGE_PREDICTED], dtype=np.float64)
    with style():
        figure, panels = panel_grid(len(chosen), ax, figsize, size=(2.36, 2.75), n_columns=3)
        for panel, label in zip(panels, chosen, strict=True):
            column = labels.index(label)
            _panel(panel, real[:, column], predicted[:, column], label, scores.loc[label])
        label_panels(panels, x="Measured change", y="Predicted change")
        if perturbations is None:
            note_part(figure if ax is None else ax, (len(chosen), len(n_cells), "measured perturbations"))
        fit_texts(figure, panels)
        # Names are placed last, because their positions depend on the final layout of all panels
        for panel, label in zip(panels, chosen, strict=True):
            x, y = real[:, labels.index(label)], predicted[:, labels.index(label)]
            top = np.argsort(-np.abs(x), kind="stable")[:n_genes]
            panel.scatter(x[top], y[top], s=9, c=VERMILLION, linewidths=0, zorder=3)
            place_labels(panel, x, y, [shorten(str(name), 16) for name in adata.var_names[top]], shown=top)
        return finish_panels(figure, panels, ax=ax, show=show, return_fig=return_fig)


def _panel(ax: Axes, x: np.ndarray, y: np.ndarray, label: str, scores: pd.Series) -> None:
    limit = 1.12 * max(float(np.abs(x).max()), float(np.abs(y).max()), 1e-12)
    ax.axhline(0, color="#DDDDDD", lw=0.6, zorder=0)
    ax.axvline(0, color="#DDDDDD", lw=0.6, zorder=0)
    ax.plot([-limit, limit], [-limit, limit], ls="--", color=GREY, lw=0.8, zorder=1)
    ax.scatter(x, y, s=7, c=BLUE, alpha=0.6, linewidths=0, zorder=2, rasterized=len(x) > MAX_VECTOR_POINTS)
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
