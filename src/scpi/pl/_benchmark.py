from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt

from scpi._changes import among
from scpi._docs import fill
from scpi._scoring._same_models import find_model
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._boxes import format_rows
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, VERMILLION, finish, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ("model", "metric", "higher_is_better", "mean", "mean_low", "mean_high")


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

    An arrow in the label of a panel shows whether higher or lower is better.

    Parameters
    ----------
    summary
        Result of :func:`scpi.benchmark.summarise`.
    metrics
        Metrics to draw, in this order; all if `None`.
    models
        Models from top to bottom; if `None`, ordered by their mean rank over the drawn metrics.
    baselines
        Models to draw in grey.
    ceiling
        Model or models to draw as lines with their intervals: how good a prediction can be, such as
        `"split-half ceiling"` (dashed) and `"perfect prediction"` (dotted). A line is left out where it has no value.
    labels
        Labels of the panels, by the names of the metrics.
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
    drawn = among(list(dict.fromkeys(summary["metric"])), None if metrics is None else as_list(metrics), "metric")
    among(known, [*baselines, *ceilings] or None, "model")
    others = [name for name in known if name not in ceilings]
    cells = summary.set_index(["model", "metric"])
    is_score = {metric: bool(cells.xs(metric, level="metric")["higher_is_better"].iloc[0]) for metric in drawn}
    means = summary.pivot(index="model", columns="metric", values="mean").loc[others]
    order = _ranked(means, is_score) if models is None else among(others, wanted, "model")
    if figsize is None:
        figsize = min(PAGE_WIDTH, 1.6 + 1.6 * len(drawn)), 0.22 * len(order) + 0.7
    with style():
        figure, grid = plt.subplots(1, len(drawn), figsize=figsize, squeeze=False, sharey=True, layout="constrained")
        for axes, metric in zip(grid[0], drawn, strict=True):
            format_rows(axes, order)
            _panel(axes, cells.xs(metric, level="metric"), order=order, baselines=baselines, ceilings=ceilings)
            arrow = "\N{UPWARDS ARROW}" if is_score[metric] else "\N{DOWNWARDS ARROW}"
            axes.set_xlabel(f"{(labels or {}).get(metric, metric.replace('_', ' '))} {arrow}")
        return finish(figure, list(grid[0]), ax=None, show=show, return_fig=return_fig)


def _ranked(means: pd.DataFrame, is_score: dict[str, bool]) -> list[str]:
    """Models by their mean rank over the metrics; a model without a value of a metric is the last in it."""
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
