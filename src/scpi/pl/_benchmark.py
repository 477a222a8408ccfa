from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from scpi._changes import among
from scpi._docs import fill
from scpi._model_names import brief_name, find_model
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._boxes import format_rows
from scpi.pl._cut import inches
from scpi.pl._figure import (
    BLUE,
    GREY,
    PAGE_WIDTH,
    VERMILLION,
    finish,
    legend_columns,
    n_columns_of,
    panel_grid,
    shorten,
    style,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ("model", "metric", "higher_is_better", "mean", "mean_low", "mean_high")
# One metric per aspect: direction, magnitude, the genes that change, their tests (two metrics), and the cells
_FIRST = {
    "pearson": "correlation of the change",
    "error_ratio": "error / size of the change",
    "r2_weighted": "R² of the change, weighted",
    "de_effect_jaccard": "DE genes in common",
    "de_pr_auc": "ranking of DE genes",
    "energy_distance": "energy distance of the cells",
}
_N_COLUMNS = 3
# Width of a panel without the names of models in inches
_PANEL = 1.9


@fill
def benchmark(
    summary: pd.DataFrame,
    *,
    metrics: Sequence[str] | str | None = None,
    models: Sequence[str] | str | None = None,
    baselines: Sequence[str] | str = (),
    ceiling: Sequence[str] | str | None = None,
    labels: dict[str, str] | None = None,
    figsize: tuple[float, float] | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> list[Axes] | Figure | None:
    """Draw the scores of models with their confidence intervals, one panel per metric, with the best model on top.

    The label of a panel indicates whether higher or lower is better. If many models made the same predictions, the
    first one represents them: `"MeanDelta = 4 others"`.

    Parameters
    ----------
    summary
        Result of :func:`scpi.benchmark.summarise`.
    metrics
        Metrics to draw, in this order. If `None`, those of `pearson`, `error_ratio`, `r2_weighted`, `de_effect_jaccard`,
        `de_pr_auc` and `energy_distance` that the table has, or all if it has none of these. No single metric shows
        what a prediction is good for.
    models
        Models from top to bottom; if `None`, ordered by their mean rank over the drawn metrics.
    baselines
        Models to draw in grey.
    ceiling
        Model or models to draw as lines with their intervals, as upper bounds of a prediction, such as
        `"split-half ceiling"` (dashed) and `"perfect prediction"` (dotted). A line without a value is left out.
    labels
        Labels of the panels, by metric.
    %(figsize)s
    %(show)s
    %(return_fig)s

    Returns
    -------
    The axes, one per metric, if the figure is not shown, or the figure if `return_fig=True`.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a metric or a model is not in the table.

    Examples
    --------
    >>> import pandas as pd
    >>> from scpi import benchmark, pl
    >>> table = pd.DataFrame({"model": list("aabb"), "perturbation": list("PQPQ"), "rmse": [0.1, 0.2, 0.3, 0.4]})
    >>> axes = pl.benchmark(benchmark.summarise(table), baselines=["b"], show=False)
    >>> [label.get_text() for label in axes[0].get_yticklabels()]
    ['a', 'b']
    """
    missing = [name for name in _COLUMNS if name not in summary]
    if missing:
        msg = f"The table has no column {listed(missing)}: use the result of `scpi.benchmark.summarise`."
        raise KeyError(msg)
    known = list(dict.fromkeys(summary["model"]))
    baselines, ceilings, wanted = (
        [find_model(known, name) for name in as_list(names)]
        for names in (baselines, [] if ceiling is None else ceiling, [] if models is None else models)
    )
    there = list(dict.fromkeys(summary["metric"]))
    first = [name for name in _FIRST if name in there]
    drawn = among(there, (first or None) if metrics is None else as_list(metrics), "metric")
    among(known, [*baselines, *ceilings] or None, "model")
    others = [name for name in known if name not in ceilings]
    cells = summary.set_index(["model", "metric"])
    is_score = {metric: bool(cells.xs(metric, level="metric")["higher_is_better"].iloc[0]) for metric in drawn}
    means = summary.pivot(index="model", columns="metric", values="mean").loc[others]
    order = _ranked(means, is_score) if models is None else among(others, wanted, "model")
    titles = _FIRST | (labels or {})
    with style():
        names = [shorten(brief_name(name), 32) for name in order]
        n_columns = min(_N_COLUMNS, len(drawn))
        size = (min(PAGE_WIDTH, inches(names) + _PANEL * n_columns) / n_columns, 0.19 * len(order) + 0.75)
        figure, panels = panel_grid(len(drawn), None, figsize, size=size, n_columns=_N_COLUMNS)
        for place, (axes, metric) in enumerate(zip(panels, drawn, strict=True)):
            format_rows(axes, names)
            _panel(axes, cells.xs(metric, level="metric"), order=order, baselines=baselines, ceilings=ceilings)
            axes.tick_params(labelleft=place % n_columns_of(panels) == 0)
            better = "\N{UPWARDS ARROW} higher" if is_score[metric] else "\N{DOWNWARDS ARROW} lower"
            axes.set_xlabel(f"{titles.get(metric, metric.replace('_', ' '))}\n{better} is better")
        lines = {str(line.get_label()): line for axes in panels for line in axes.lines if line.get_label() in ceilings}
        if lines:
            entries = [shorten(name, 32) for name in lines]
            n_columns = legend_columns(entries, figure.get_figwidth())
            figure.legend(list(lines.values()), entries, loc="outside lower center", ncols=n_columns)
        return finish(figure, panels, ax=None, show=show, return_fig=return_fig)


def _ranked(means: pd.DataFrame, is_score: dict[str, bool]) -> list[str]:
    """Order the models by their mean rank over the metrics; a model without a value of a metric ranks last in it."""
    ranks = [means[metric].rank(ascending=not better, na_option="bottom") for metric, better in is_score.items()]
    return [str(means.index[i]) for i in np.mean(ranks, axis=0).argsort(kind="stable")]


def _panel(
    ax: Axes, rows: pd.DataFrame, *, order: Sequence[str], baselines: Sequence[str], ceilings: Sequence[str]
) -> None:
    """Draw the models of one metric."""
    for name, line in zip(ceilings, itertools.cycle(("--", ":")), strict=False):
        top = rows.loc[name]
        if np.isfinite(top["mean"]):
            ax.axvspan(top["mean_low"], top["mean_high"], color=VERMILLION, alpha=0.15, lw=0, zorder=0)
            ax.axvline(top["mean"], color=VERMILLION, lw=0.8, ls=line, zorder=1, label=name)
    for y, name in enumerate(order):
        row = rows.loc[name]
        color = GREY if name in baselines else BLUE
        ax.plot([row["mean_low"], row["mean_high"]], [y, y], color=color, lw=1.2, solid_capstyle="butt")
        ax.plot(row["mean"], y, "o", color=color, ms=4, mew=0)
    ax.locator_params(axis="x", nbins=4)
