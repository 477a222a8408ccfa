"""Figures of the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from scpi import get, pl
from scpi._keys import Key
from scpi._report._figures import BLUE, comparison_figure, encode_figures
from scpi.screen._effects import strongest
from scpi.screen._tables import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from scpi._report._figures import ReportFigure
    from scpi.screen._result import ScreenResult

_N_PANELS = 6
_PARTS = {
    "objective": "Objective",
    "reconstruction_loss": "Reconstruction",
    "mmd": "Discrepancy (MMD)",
    "paired_error": "Error of paired cells",
    "reconstruction_perturbed": "Reconstruction, perturbed",
    "kl_local": "Kullback-Leibler",
}


def draw_figures(result: ScreenResult) -> list[ReportFigure]:
    """Draw all figures that the results allow."""
    scores = result.scores[result.scores[Key.obs.PERTURBATION].isin(result.averaged)]
    figures: list[tuple[str, str, Callable[[], Any]]] = [
        (
            "Effects of the perturbations",
            "Energy distance of the cells of each perturbation from control cells, over its expected value without an "
            "effect. Filled dots differ from the control at a false discovery rate of 5 %.",
            lambda: pl.perturbation_effect(result.adata, show=False, return_fig=True),
        ),
        (
            "Prediction and baselines",
            f"Correlation of predicted and measured change, one dot per perturbation, over the same {counted(len(result.averaged), 'condition')} as the table of "
            "scores. Bars are means. On grey what the "
            "noise of the measurement allows: one half of the cells against the other.",
            lambda: comparison_figure(scores),
        ),
        (
            "Predicted against measured",
            "Change of the mean expression of every gene against the control, of the conditions that change cells most. On the dashed line both agree.",
            lambda: pl.prediction(result.predicted, perturbations=_most_changed(result), show=False, return_fig=True),
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
    is_explained = Key.uns.EXPLAINED_PREDICTION in result.adata.uns
    explained = get.explained_prediction(result.adata, "conditions")["perturbation"] if is_explained else []
    figures += [
        (
            f"Prediction of {label}",
            "Predicted changes with what was measured (two standard errors), the factors that carry the prediction, gene sets that it moves, what "
            "is lost without the largest parts, and the correlation with the measurement beside that of the mean of other perturbations "
            "and the largest that its noise allows. Dark bars: q of at most 0.05. (beyond the decoder): what the measured effects of the training cells add.",
            partial(pl.perturbation_report, result.adata, label, show=False, return_fig=True),
        )
        for label in explained
    ]
    lacking = {
        "Activity of gene sets": Key.varm.GENE_SETS not in result.adata.varm,
        "Causal graph": result.adata.uns[Key.uns.CAUSAL_GRAPH]["edges"].empty,
        "Effects of the perturbations": Key.uns.PERTURBATION_EFFECT not in result.adata.uns,
    }
    figures = [figure for figure in figures if not lacking.get(figure[0], False)]
    return encode_figures(figures)


def _most_changed(result: ScreenResult) -> list[str]:
    """Conditions with measured cells, those that change cells most first."""
    scores = result.predicted.uns[Key.uns.PREDICTION]["scores"]
    measured = scores.loc[scores["n_real"] > 0, Key.obs.PERTURBATION].astype(str).tolist()
    return strongest(result.adata, measured)[:_N_PANELS]


def history_figure(result: ScreenResult) -> Figure:
    """Draw the parts of the objective over the epochs."""
    history = result.model.history
    parts = [name for name in _PARTS if f"{name}_train" in history]
    figure, axes = plt.subplots(1, max(1, len(parts)), figsize=(2.7 * max(1, len(parts)), 2.5), layout="constrained")
    for ax, part in zip(np.atleast_1d(axes), parts, strict=False):
        for stage, colour in (("train", BLUE), ("validation", "#D55E00")):
            if f"{part}_{stage}" in history:
                values = history[f"{part}_{stage}"].iloc[:, 0].astype(float)
                ax.plot(values.index, values.to_numpy(), color=colour, lw=1.3, label=stage)
        ax.set_title(_PARTS[part], fontsize=10)
        ax.set_xlabel("Epoch")
        ax.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(axes)[0].legend(frameon=False, fontsize=8)
    return figure
