"""Panels of the report on one perturbation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from scpi.pl._figure import BLUE, GREY, ORANGE, SMALL, VERMILLION, set_labels, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from matplotlib.axes import Axes

_WIDEST, _N_PARTS, _N_SETS = 28, 8, 8
# Distance of a legend from the axis in inches
_BELOW = 0.36
_PALE = "#9DB8CF"
_TITLES = {
    "perturbations": "Perturbations",
    "features": "Features",
    "factors": "Factors",
    "units": "Units",
}


class Report(NamedTuple):
    """Explanation of one predicted perturbation, with options of its report."""

    tables: Mapping[str, pd.DataFrame]
    """Tables of its explanation, by name."""
    hits: set[str] | None
    """Genes that are predicted to change; ``None`` if they were not tested."""
    pval_cutoff: float
    """Largest q-value that counts as significant."""
    n_genes: int
    """Number of genes to draw."""

    @property
    def has_mean(self) -> bool:
        """Whether a mean change is predicted for all perturbations, which is not among the parts."""
        genes = self.tables["genes"]
        return bool((genes["change"] != genes["special"]).any())

    def kinds(self) -> list[str]:
        """Kinds of its parts."""
        return list(dict.fromkeys(self.tables["parts"]["kind"]))


def draw_change(ax: Axes, report: Report) -> None:
    """Draw the genes with the largest predicted changes, with intervals and measured changes."""
    table = report.tables["genes"]
    table = table.iloc[np.argsort(-np.abs(table["change"].to_numpy()), kind="stable")[: report.n_genes]]
    table = table.sort_values("change", kind="stable")
    y = np.arange(len(table))
    handles = [Line2D([], [], ls="", marker="o", ms=4, color=BLUE, label="predicted")]
    if "lower" in table and np.isfinite(table["lower"]).all():
        ax.hlines(y, table["lower"], table["upper"], color=_PALE, lw=2.2, zorder=1)
        handles.append(Line2D([], [], color=_PALE, lw=2.2, label="interval"))
    ax.scatter(table["change"], y, s=18, color=BLUE, zorder=3)
    if "measured" in table and np.isfinite(table["measured"]).all():
        error = table["measured_se"].fillna(0.0)
        ax.errorbar(
            table["measured"], y, xerr=2.0 * error, fmt="D", ms=3, mfc="none", color=VERMILLION, lw=0.7, zorder=2
        )
        handles.append(Line2D([], [], ls="", marker="D", ms=3, mfc="none", color=VERMILLION, label="measured, 2 SE"))
    ax.axvline(0.0, color="0.6", lw=0.6, zorder=0)
    marked = [f"{gene} *" if report.hits and gene in report.hits else gene for gene in table["gene"]]
    ax.set_yticks(y, [shorten(name, 14) for name in marked])
    if report.hits is not None:
        handles.append(
            Line2D(
                [], [], ls="", label=f"* q \N{LESS-THAN OR EQUAL TO} {report.pval_cutoff:g} ({len(report.hits)} genes)"
            )
        )
    ax.set_xlabel("Change of the mean expression")
    ax.set_title("Predicted change", loc="left", fontweight="bold")
    # Below the numbers and the label of the axis, whatever the height of the panel
    below = ScaledTranslation(0.0, -_BELOW, ax.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=ax.transAxes + below,
        ncols=2,
        handlelength=1.2,
        columnspacing=1.0,
    )


def draw_agreement(ax: Axes, report: Report) -> None:
    """Draw the measured against the predicted change of every gene."""
    table = report.tables["genes"]
    limits = np.array([table[["change", "measured"]].min().min(), table[["change", "measured"]].max().max()])
    ax.plot(limits, limits, color="0.6", lw=0.7, ls="--", zorder=0)
    is_hit = table["gene"].isin(report.hits or set())
    for part, colour in ((~is_hit, GREY), (is_hit, BLUE)):
        ax.scatter(table["change"][part], table["measured"][part], s=6, color=colour, linewidths=0, alpha=0.7)
    ax.set_xlabel("Predicted change")
    ax.set_ylabel("Measured change")
    ax.set_title("Measured change", loc="left", fontweight="bold")


def draw_parts(ax: Axes, report: Report, kind: str) -> None:
    """Draw the largest parts of a kind, by the fraction of the change that they carry, in either direction."""
    table = report.tables["parts"]
    table = table[table["kind"] == kind].sort_values("share", key=np.abs, ascending=False, kind="stable").head(_N_PARTS)
    _bars(
        ax,
        [str(name) for name in table["part"]],
        table["share"].to_numpy(),
        table["qval"].to_numpy() <= report.pval_cutoff,
    )
    ax.set_xlabel("Fraction of the deviation" if report.has_mean else "Fraction of the change")
    ax.set_title(_TITLES[kind], loc="left", fontweight="bold")


def draw_sets(ax: Axes, report: Report) -> None:
    """Draw the gene sets that the change affects most."""
    table = report.tables["sets"]
    table = table[table["of"] == "change"].head(_N_SETS)
    _bars(ax, table["set"].tolist(), table["zscore"].to_numpy(), table["qval"].to_numpy() <= report.pval_cutoff)
    ax.set_xlabel("Impact (z)")
    ax.set_title("Gene sets", loc="left", fontweight="bold")


def _bars(ax: Axes, names: list[str], values: np.ndarray, significant: np.ndarray) -> None:
    y = np.arange(len(names))[::-1]
    ax.barh(y, values, color=np.where(significant, BLUE, _PALE).tolist(), height=0.7)
    ax.axvline(0.0, color="0.6", lw=0.6)
    ax.set_yticks(y, set_labels(names, _WIDEST, abbreviate=True))
    ax.set_ylim(-0.6, max(len(names), 1) - 0.4)


def draw_scores(ax: Axes, report: Report) -> None:
    """Draw the correlation with the measured change of the prediction and of the mean, and its maximum."""
    table = report.tables["scores"].dropna(subset="pearson")
    colours = {"prediction": BLUE, "noise of the measurement": ORANGE}
    names = {"noise of the measurement": "ceiling", "mean of other perturbations": "mean of others"}
    y = np.arange(len(table))[::-1]
    ax.barh(y, table["pearson"], color=[colours.get(name, GREY) for name in table["name"]], height=0.6)
    for place, value in zip(y, table["pearson"], strict=True):
        ax.annotate(
            f"{value:.2f}", (max(value, 0.0), place), xytext=(2, 0), textcoords="offset points", va="center", size=SMALL
        )
    ax.axvline(0.0, color="0.6", lw=0.6)
    ax.set_yticks(y, [names.get(name, name) for name in table["name"]])
    ax.set_xlim(min(0.0, 1.15 * table["pearson"].min()), 1.2)
    ax.set_xlabel("With the measured change")
    ax.set_title("Correlation", loc="left", fontweight="bold")


def draw_fidelity(ax: Axes, report: Report) -> None:
    """Draw the loss if the largest parts, or others, are removed."""
    kind = report.kinds()[0]
    table = report.tables["fidelity"]
    table = table[table["kind"] == kind]
    n, spread = np.r_[0, table["n_removed"]], table["lost_random_sd"].fillna(0.0)
    ax.plot(n, np.r_[0.0, table["lost"]], "o-", ms=3, lw=1.2, color=BLUE, label="largest")
    ax.plot(n, np.r_[0.0, table["lost_random"]], "s--", ms=3, lw=1.0, color=GREY, label="random")
    low, high = (np.r_[0.0, table["lost_random"] + sign * spread] for sign in (-1.0, 1.0))
    ax.fill_between(n, low, high, color=GREY, alpha=0.2, lw=0)
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel(f"Number of {kind} removed")
    ax.set_ylabel("Fraction lost")
    ax.legend(loc="upper left")
    ax.set_title("Deletion", loc="left", fontweight="bold")


def available(report: Report) -> dict[str, Callable[[Axes, Report], None]]:
    """List the panels that have data, by name."""
    found: dict[str, Callable[[Axes, Report], None]] = {"change": draw_change}
    for kind in report.kinds():
        if kind in _TITLES:
            found[kind] = partial(draw_parts, kind=kind)
    if "sets" in report.tables:
        found["sets"] = draw_sets
    if not report.tables["fidelity"].empty:
        found["fidelity"] = draw_fidelity
    if "scores" in report.tables and not report.tables["scores"].empty:
        found["scores"] = draw_scores
        found["agreement"] = draw_agreement
    return found
