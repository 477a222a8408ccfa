"""Figures of the report."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from scpi import pl
from scpi._keys import Key
from scpi._scoring._noise_ceiling import CEILING, PERFECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from scpi.screen._result import ScreenResult

_DPI = 150
_BLUE, _GREY = "#0072B2", "#8A8F98"
_LABELS = {
    "pearson": "Pearson correlation of the change",
    "pearson_perturbed": "Pearson correlation, against the mean of the perturbed",
}
_PARTS = {
    "objective": "Objective",
    "reconstruction_loss": "Reconstruction",
    "mmd": "Discrepancy (MMD)",
    "paired_error": "Error of paired cells",
    "reconstruction_perturbed": "Reconstruction, perturbed",
    "kl_local": "Kullback-Leibler",
}


class ReportFigure(NamedTuple):
    """A figure as the report embeds it."""

    title: str
    caption: str
    data: str
    width: int


def draw_figures(result: ScreenResult) -> list[ReportFigure]:
    """Draw all figures that the results allow."""
    figures: list[tuple[str, str, Callable[[], Any]]] = [
        (
            "Prediction and baselines",
            "Correlation of predicted and measured change, one dot per perturbation. Bars are means. On grey what the "
            "noise of the measurement allows: one half of the cells against the other.",
            lambda: comparison_figure(result.scores),
        ),
        (
            "Predicted against measured",
            "Change of the mean expression of every gene against the control. On the dashed line both agree.",
            lambda: pl.prediction(result.predicted, show=False, return_fig=True),
        ),
        (
            "Effects of the perturbations",
            "Energy distance of the cells of each perturbation from control cells, over its expected value without an "
            "effect. Filled dots differ from the control at a false discovery rate of 5 %.",
            lambda: pl.perturbation_effect(result.adata, show=False, return_fig=True),
        ),
        (
            "Causal graph",
            "Causal factors from cause to effect, with the perturbations that act on them and the gene sets that they "
            "are made of. Edges are drawn if this model finds them again in 80 % of random halves of the cells. A "
            "graph of real data is a hypothesis: a model of other cells may have other edges.",
            lambda: pl.causal_graph(result.adata, show=False, return_fig=True),
        ),
        (
            "Targets of the perturbations",
            "Probability that a perturbation acts on a factor.",
            lambda: pl.intervention_targets(result.adata, show=False, return_fig=True),
        ),
        (
            "Activity of gene sets",
            "Change of the mean activity of gene sets against the control, as the first layer of the model computes it. "
            "A dot marks an adjusted p-value below 0.05.",
            lambda: pl.pathway_activity(result.adata, show=False, return_fig=True),
        ),
        (
            "Training",
            "Parts of the objective over the epochs. The weights of the discrepancy and of the Kullback-Leibler term "
            "rise over the first half, so the objective may rise there.",
            lambda: history_figure(result),
        ),
    ]
    lacking = {
        "Causal graph": result.adata.uns[Key.uns.CAUSAL_GRAPH]["edges"].empty,
        "Effects of the perturbations": Key.uns.PERTURBATION_EFFECT not in result.adata.uns,
    }
    figures = [figure for figure in figures if not lacking.get(figure[0], False)]
    return encode_figures(figures)


def encode_figures(figures: Sequence[tuple[str, str, Callable[[], Any]]]) -> list[ReportFigure]:
    """Draw figures, given with their titles and captions."""
    return [ReportFigure(title, caption, *_encode(draw())) for title, caption, draw in figures]


def comparison_figure(
    scores: pd.DataFrame, *, metric: str = "pearson", by: Sequence[str] = ("perturbation",)
) -> Figure:
    """Draw the scores of the models in one metric, one dot per perturbation, or for each value of other columns."""
    names = [name for name in scores["model"].unique() if name != PERFECT]
    wide = scores.pivot(index=list(by), columns="model", values=metric)[names]
    names = [name for name in names if wide[name].notna().any()]
    figure, ax = plt.subplots(figsize=(1.6 + 1.25 * len(names), 3.6), layout="constrained")
    jitter = np.random.default_rng(0).uniform(-0.13, 0.13, len(wide))
    shown = wide[[name for name in names if name != CEILING]].to_numpy(dtype=float)
    for row, offset in zip(shown, jitter, strict=True):
        ax.plot(np.arange(len(row)) + offset, row, color="#D5D9DF", lw=0.7, zorder=1)
    for position, name in enumerate(names):
        values = wide[name].to_numpy(dtype=float)
        colour = _BLUE if position == 0 else _GREY
        ax.scatter(position + jitter, values, s=22, color=colour, alpha=0.75, linewidths=0, zorder=2)
        mean = float(np.nanmean(values))
        ax.hlines(mean, position - 0.28, position + 0.28, color="black", lw=1.8, zorder=3)
        ax.annotate(f"{mean:.3f}", (position + 0.3, mean), va="center", fontsize=9)
    if CEILING in names:
        position = names.index(CEILING)
        ax.axvspan(position - 0.5, position + 0.5, color="#F2F4F7", zorder=0)
    ax.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_ylabel(_LABELS.get(metric, metric))
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def history_figure(result: ScreenResult) -> Figure:
    """Draw the parts of the objective over the epochs."""
    history = result.model.history
    parts = [name for name in _PARTS if f"{name}_train" in history]
    figure, axes = plt.subplots(1, max(1, len(parts)), figsize=(2.7 * max(1, len(parts)), 2.5), layout="constrained")
    for ax, part in zip(np.atleast_1d(axes), parts, strict=False):
        for stage, colour in (("train", _BLUE), ("validation", "#D55E00")):
            if f"{part}_{stage}" in history:
                values = history[f"{part}_{stage}"].iloc[:, 0].astype(float)
                ax.plot(values.index, values.to_numpy(), color=colour, lw=1.3, label=stage)
        ax.set_title(_PARTS[part], fontsize=10)
        ax.set_xlabel("Epoch")
        ax.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(axes)[0].legend(frameon=False, fontsize=8)
    return figure


def _encode(figure: Figure) -> tuple[str, int]:
    """Figure as PNG in base64, with the width to show it in; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", bbox_inches="tight")
    plt.close(figure)
    # The width of a PNG stands in its header. Half as many dots again as pixels look sharp on most screens
    width = int.from_bytes(buffer.getvalue()[16:20], "big")
    return base64.b64encode(buffer.getvalue()).decode("ascii"), round(width / 1.5)
