from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt

from scpi._docs import fill
from scpi._sequence import as_list
from scpi._slots import listed
from scpi.pl._figure import BLUE, GREY, PAGE_WIDTH, SMALL, VERMILLION, finish, shorten, style

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
    """Draw the scores of models with their intervals, a panel for each metric, the best model on top.

    An arrow says which way is better.

    Parameters
    ----------
    summary
        What :func:`scpi.benchmark.summarise` returns.
    metrics
        Metrics to draw, in this order; all if `None`.
    models
        Models from top to bottom; if `None`, by their mean rank over the drawn metrics.
    baselines
        Models to draw in grey, as what the others have to beat.
    ceiling
        Model or models to draw as lines with their intervals: how good a prediction can be, such as
        `"split-half ceiling"` (dashed) and `"perfect prediction"` (dotted). A line is left out where it has no value.
    labels
        What to write under the panels in place of the names of the metrics.
    %(figsize)s
    %(show)s
    %(return_fig)s

    Returns
    -------
    The axes, one for each metric, if the figure is not shown; or the figure if `return_fig=True`.

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
        msg = f"The table has no column {listed(missing)}: give what `scpi.benchmark.summarise` returns."
        raise KeyError(msg)
    wanted = None if metrics is None else as_list(metrics)
    baselines, ceilings = as_list(baselines), [] if ceiling is None else as_list(ceiling)
    drawn = _among(list(dict.fromkeys(summary["metric"])), wanted, "metric")
    there = [name for name in dict.fromkeys(summary["model"]) if name not in ceilings]
    named = [*baselines, *ceilings]
    _among(list(dict.fromkeys(summary["model"])), named, "model")
    cells = summary.set_index(["model", "metric"])
    is_score = {metric: bool(cells.xs(metric, level="metric")["higher_is_better"].iloc[0]) for metric in drawn}
    means = summary.pivot(index="model", columns="metric", values="mean").loc[there]
    order = _ranked(means, is_score) if models is None else _among(there, as_list(models), "model")
    if figsize is None:
        figsize = min(PAGE_WIDTH, 1.6 + 1.6 * len(drawn)), 0.22 * len(order) + 0.7
    with style():
        figure, grid = plt.subplots(1, len(drawn), figsize=figsize, squeeze=False, sharey=True, layout="constrained")
        for axes, metric in zip(grid[0], drawn, strict=True):
            _panel(axes, cells.xs(metric, level="metric"), order=order, baselines=baselines, ceilings=ceilings)
            arrow = "\N{UPWARDS ARROW}" if is_score[metric] else "\N{DOWNWARDS ARROW}"
            axes.set_xlabel(f"{(labels or {}).get(metric, metric.replace('_', ' '))} {arrow}")
        grid[0, 0].set_yticks(range(len(order)), [shorten(str(name), 32) for name in order])
        grid[0, 0].set_ylim(len(order) - 0.5, -0.5)
        return finish(figure, list(grid[0]), ax=None, show=show, return_fig=return_fig)


def _among(there: list[str], wanted: Sequence[str] | None, what: str) -> list[str]:
    """What was asked for, all if nothing was."""
    unknown = [name for name in wanted or () if name not in there]
    if unknown:
        msg = f"The table has no {what} {listed(unknown)}, only {listed(there)}."
        raise ValueError(msg)
    return there if wanted is None else list(wanted)


def _ranked(means: pd.DataFrame, is_score: dict[str, bool]) -> list[str]:
    """Models by their mean rank; those without a value of a metric come last in it."""
    ranks = [means[metric].rank(ascending=not better, na_option="bottom") for metric, better in is_score.items()]
    return [str(means.index[place]) for place in np.mean(ranks, axis=0).argsort(kind="stable")]


def _panel(
    ax: Axes, rows: pd.DataFrame, *, order: Sequence[str], baselines: Sequence[str], ceilings: Sequence[str]
) -> None:
    """One metric."""
    for name, line in zip(ceilings, itertools.cycle(("--", ":")), strict=False):
        top = rows.loc[name]
        if np.isfinite(top["mean"]):
            ax.axvspan(top["mean_low"], top["mean_high"], color=VERMILLION, alpha=0.15, lw=0, zorder=0)
            ax.axvline(top["mean"], color=VERMILLION, lw=0.8, ls=line, zorder=1, label=name)
    for place, name in enumerate(order):
        row = rows.loc[name]
        color = GREY if name in baselines else BLUE
        ax.plot([row["mean_low"], row["mean_high"]], [place, place], color=color, lw=1.2, solid_capstyle="butt")
        ax.plot(row["mean"], place, "o", color=color, ms=4, mew=0)
    ax.grid(axis="x", color="#EEEEEE", lw=0.6, zorder=0)
    ax.set_axisbelow(True)
    ax.locator_params(axis="x", nbins=4)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    ax.spines[["top", "right", "left"]].set_visible(False)
