"""Figures of the report of a grid, narrow enough for a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from scpi._model_names import brief_name, first_name
from scpi._report._figures import BLUE, GREY
from scpi._scoring._bounds import NEGATIVE
from scpi._scoring._metrics import LOWER_IS_BETTER
from scpi._scoring._noise_ceiling import CEILING, PERFECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _ROW, _FONT = 5.2, 0.26, 8.5
_STYLE: dict[Any, Any] = {"font.size": _FONT, "xtick.labelsize": _FONT - 1, "ytick.labelsize": _FONT}
# Maximum length of a name beside a panel
_LONGEST = 26
_LINES = {
    CEILING: (":", "split-half ceiling"),
    PERFECT: ("--", "perfect prediction"),
    NEGATIVE: ("-.", "negative bound"),
}


def short(name: str, longest: int = _LONGEST) -> str:
    """Shorten a name."""
    name = brief_name(name)
    return name if len(name) <= longest else f"{name[: longest - 3]}..."


def ranking_figure(ranking: pd.DataFrame, nulls: pd.DataFrame) -> Figure:
    """Draw means of the models with their intervals in one metric, the best at the top, and the references as lines.

    The row below a model is its matched null, with the paired difference of the model minus the null.
    """
    models = ranking[ranking["kind"].ne("reference") & ranking["rank"].notna()]
    metric = str(ranking["metric"].iloc[0])
    rows = [row for _, model in models.iterrows() for row in _with_nulls(model, nulls)]
    with plt.rc_context(_STYLE):
        figure, ax = plt.subplots(figsize=(_WIDTH, 0.9 + _ROW * (len(rows) + 1)), layout="constrained")
        for place, row in enumerate(rows):
            colour = BLUE if row["kind"] == "model" else GREY
            if np.isfinite(row["mean_low"]):
                ax.plot(
                    [row["mean_low"], row["mean_high"]], [place, place], color=colour, lw=1.6, solid_capstyle="butt"
                )
            is_null = row["kind"] == "null"
            ax.plot(row["mean"], place, "o", color=colour, ms=5, markerfacecolor="white" if is_null else colour)
            if is_null:
                ax.annotate(
                    row["text"], (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=_FONT - 1.5
                )
        for name, (line, label) in _LINES.items():
            value = ranking.loc[ranking["model"] == name, "mean"]
            if len(value) and np.isfinite(value.iloc[0]):
                ax.axvline(value.iloc[0], ls=line, color="black", lw=0.9, label=label)
        _names(ax, [f"{short(row['model'])}  {rank_text(row)}" for row in rows])
        ax.set_xlabel(f"{metric} ({'lower' if metric in LOWER_IS_BETTER else 'higher'} is better)")
        if ax.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=_FONT - 1)
    return figure


def _with_nulls(model: pd.Series, nulls: pd.DataFrame) -> Iterator[pd.Series]:
    """A row of the ranking, and the rows of the matched nulls of the model."""
    yield model
    for _, row in nulls[nulls["model"] == model["model"]].iterrows() if len(nulls) else ():
        own = {"model": row["null"], "kind": "null", "rank": None, "mean": row["null_mean"]}
        own |= {"mean_low": row["null_low"], "mean_high": row["null_high"], "text": difference_text(row)}
        yield pd.Series(own)


def difference_text(row: pd.Series) -> str:
    """A paired difference with its interval."""
    interval = f" [{row['low']:+.2f}, {row['high']:+.2f}]" if np.isfinite(row["low"]) else ""
    return f"{row['difference']:+.2f}{interval}"


def heat_map(contexts: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
    """Draw the means of the models in each context in one metric, models in the order of their ranks."""
    metric = str(ranking["metric"].iloc[0])
    models = ranking.loc[ranking["kind"].ne("reference") & ranking["rank"].notna(), "model"].tolist()
    shown = [*models, *(name for name in (CEILING,) if name in set(contexts["model"]))]
    wide = contexts.pivot(index="context", columns="model", values="mean")[shown]
    values = wide.to_numpy(np.float64).T
    with plt.rc_context(_STYLE):
        size = (max(_WIDTH, 2.0 + 0.55 * len(wide)), 1.6 + _ROW * len(shown))
        figure, ax = plt.subplots(figsize=size, layout="constrained")
        colours = "viridis_r" if metric in LOWER_IS_BETTER else "viridis"
        image = ax.imshow(values, aspect="auto", cmap=colours)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                red, green, blue, _ = image.cmap(image.norm(value))
                dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
                colour = "white" if dark else "black"
                ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=_FONT - 1.5, color=colour)
        ax.set_xticks(range(len(wide)), [short(str(name), 20) for name in wide.index], rotation=40, ha="right")
        ax.set_yticks(range(len(shown)), [short(name) for name in shown])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return figure


def cost_figure(costs: pd.DataFrame, ranking: pd.DataFrame) -> Figure:
    """Draw the score of each model in one metric next to its costs, the best at the top."""
    models = ranking[ranking["kind"].ne("reference") & ranking["rank"].notna()].reset_index(drop=True)
    joined = models.assign(first=[first_name(name) for name in models["model"]])
    joined = joined.merge(costs.rename(columns={"model": "first"}), on="first", how="left")
    panels = {"mean": str(ranking["metric"].iloc[0]), "seconds": "seconds", "memory_mb": "MB"}
    if (joined["n_parameters"] > 0).any():
        panels["n_parameters"] = "parameters"
    colours = [BLUE if kind == "model" else GREY for kind in joined["kind"]]
    with plt.rc_context(_STYLE):
        size = (_WIDTH, 0.8 + _ROW * (len(models) + 1))
        figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, layout="constrained")
        for ax, (column, label) in zip(axes, panels.items(), strict=True):
            values = joined[column].to_numpy(np.float64)
            if column != "mean":
                # Costs differ by orders of magnitude
                values = np.where(values > 0, values, np.nan)
                ax.set_xscale("log")
            ax.scatter(values, np.arange(len(values)), c=colours, s=24)
            for place, value in enumerate(values):
                ax.axhline(place, color="#E4E7EB", lw=0.6, zorder=0)
                if np.isfinite(value):
                    text = f"{value:.2f}" if column == "mean" else brief_number(value)
                    ax.annotate(
                        text, (value, place), (5, 0), textcoords="offset points", va="center", fontsize=_FONT - 1.5
                    )
            # Room for the numbers
            low, high = np.nanmin(values), np.nanmax(values)
            if column == "mean":
                span = high - low or 1.0
                ax.set_xlim(low - 0.15 * span, high + 0.9 * span)
            else:
                span = max(high / low, 2.0)
                ax.set_xlim(low / span**0.15, high * span**0.9)
            ax.xaxis.set_major_locator(plt.NullLocator())
            ax.xaxis.set_minor_locator(plt.NullLocator())
            ax.set_xlabel(label)
            ax.spines[["top", "right"]].set_visible(False)
        _names(axes[0], [short(name, 20) for name in models["model"]])
    return figure


def brief_number(value: float) -> str:
    """A number with two digits and a letter for thousands and millions."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.995 * unit:
            return f"{value / unit:.2g}{name}" if value < 99.5 * unit else f"{value / unit:.0f}{name}"
    return f"{value:.2g}" if value < 99.5 else f"{value:.0f}"


def rank_text(row: pd.Series) -> str:
    """Rank of a row, with an equals sign if it is shared."""
    return "" if pd.isna(row["rank"]) else f"{int(row['rank'])}{'=' if row['tied'] else ''}"


def _names(ax: Axes, names: list[str]) -> None:
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right"]].set_visible(False)
