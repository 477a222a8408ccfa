"""Figures of reports, and how they get into a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from scpi._scoring._noise_ceiling import CEILING, PERFECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

BLUE, GREY = "#0072B2", "#8A8F98"
_DPI = 150
_LABELS = {
    "pearson": "Pearson correlation of the change",
    "pearson_perturbed": "Pearson correlation, against the mean of the perturbed",
}


class ReportFigure(NamedTuple):
    """A figure as the report embeds it."""

    title: str
    caption: str
    data: str
    width: int


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
        colour = BLUE if position == 0 else GREY
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


def _encode(figure: Figure) -> tuple[str, int]:
    """Figure as PNG in base64, with the width to show it in; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", bbox_inches="tight")
    plt.close(figure)
    # The width of a PNG stands in its header. Half as many dots again as pixels look sharp on most screens
    width = int.from_bytes(buffer.getvalue()[16:20], "big")
    return base64.b64encode(buffer.getvalue()).decode("ascii"), round(width / 1.5)
