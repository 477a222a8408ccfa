"""The tables of a run: as text for the report, and for the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from scpi.screen._result import ScreenResult

_COLUMNS = {"pearson": "r", "pearson_top": "r top20", "rmse": "RMSE", "energy_distance": "energy"}
# The report has room for more
_OF_REPORT = _COLUMNS | {
    "pearson_perturbed": "r, perturbed",
    "r2_weighted": "weighted R²",
    "de_jaccard": "DE genes",
    "discrimination": "discrimination",
}
_WORDS = {
    "additive": "adding single effects",
    "linear": "a linear model of the effects",
    "mean change": "the mean change of all conditions",
}
# Without edges, the table of scores fits into 80 columns
_STYLE: dict[str, Any] = {
    "title_justify": "left",
    "caption_justify": "left",
    "box": SIMPLE_HEAD,
    "show_edge": False,
    "pad_edge": False,
}


class ScoreRow(NamedTuple):
    """One model in the table of scores."""

    model: str
    values: list[str]
    difference: str


def score_header(result: ScreenResult, *, brief: bool = False) -> list[str]:
    """Names of the columns of :func:`score_rows`; the first ones only where there is little room (``brief``)."""
    header = ["model", *(_COLUMNS if brief else _OF_REPORT).values()]
    return [*header, f"r against {result.baseline}"] if "difference" in result.summary else header


def score_rows(result: ScreenResult, *, brief: bool = False) -> list[ScoreRow]:
    """Mean scores of each model, and the paired difference of the correlation with its interval."""
    columns = _COLUMNS if brief else _OF_REPORT
    rows = []
    for name in result.summary["model"].unique():
        own = result.summary[result.summary["model"] == name].set_index("metric")
        difference = ""
        if "difference" in own and math.isfinite(own.loc["pearson", "difference"]):
            at = own.loc["pearson"]
            difference = f"{at['difference']:+.3f} [{at['low']:+.3f}, {at['high']:+.3f}]"
        rows.append(ScoreRow(str(name), [_number(own["mean"].get(metric)) for metric in columns], difference))
    return rows


def score_table(result: ScreenResult) -> Table:
    """Table of the scores for the terminal."""
    n = result.scores["perturbation"].nunique()
    what = f"{n} combinations that no model was trained on" if result.held_out else f"{n} perturbations, unseen cells"
    table = Table(title=f"Predicted change of {what}", **_STYLE)
    for position, name in enumerate(score_header(result, brief=True)):
        table.add_column(name, justify="left" if position == 0 else "right", no_wrap=True)
    with_difference = "difference" in result.summary
    for position, row in enumerate(score_rows(result, brief=True)):
        cells = [row.model, *row.values, *([row.difference] if with_difference else [])]
        table.add_row(*cells, style="bold" if position == 0 else None)
    table.caption = (
        "Means over perturbations: correlation of the change, of all genes and of the 20 that change most; its error; "
        "energy distance of predicted and measured cells; paired difference from the best baseline with 95 % interval. "
        "Split-half ceiling: one half of the measured cells against the other. Perfect prediction: the largest correlation "
        "that the noise of the measured cells allows."
    )
    return table


def verdict(result: ScreenResult) -> str:
    """Say in a sentence whether the model predicts better than the best baseline."""
    own = result.summary[(result.summary["model"] == result.summary["model"].iloc[0])].set_index("metric")
    at = own.loc["pearson"]
    score = f"The predicted change correlates with the measured one at r = {at['mean']:.3f} on average"
    if result.baseline is None or not math.isfinite(at["difference"]):
        return f"{score}."
    interval = f"{at['difference']:+.3f}, 95 % interval {at['low']:+.3f} to {at['high']:+.3f}"
    how = "better than" if at["low"] > 0 else "worse than" if at["high"] < 0 else "not distinguishable from"
    words = _WORDS.get(result.baseline, result.baseline)
    if not result.held_out and result.baseline == "additive":
        # There is nothing to add where the same perturbation was trained on
        words = "the mean of the training cells"
    return f"{score}, {how} the best baseline, {words} ({interval})."


def truth_lines(result: ScreenResult) -> list[tuple[str, str]]:
    """What was planted beside what was found, as pairs of a question and an answer; none without a truth."""
    truth = result.truth
    if truth is None:
        return []
    lines = [
        (
            math.isfinite(truth["additive_error"]),
            "Error of adding effects, without noise",
            f"{truth['additive_error']:.0%} of the size of the true log fold change (r = "
            f"{truth['additive_pearson']:.3f})",
        ),
        (
            True,
            "Perturbations assigned to a factor of their own",
            f"{truth['targets_recovered']:.0%} of {truth['n_perturbations']}, {truth['n_factors_used']} factors in use",
        ),
        (
            math.isfinite(truth["edge_average_precision"]),
            "Causal edges",
            f"average precision {truth['edge_average_precision']:.2f} for {truth['n_edges']} edges, chance is "
            f"{truth['edge_chance']:.2f}",
        ),
        (
            truth["programs_tested"] > 0,
            "Planted program comes first of all gene sets",
            f"for {truth['programs_first']} of {truth['programs_tested']} perturbations",
        ),
    ]
    return [(question, answer) for has_answer, question, answer in lines if has_answer]


def truth_table(result: ScreenResult) -> Table:
    """Table of the planted truth for the terminal."""
    table = Table(title="Planted and found", show_header=False, **_STYLE)
    for question, answer in truth_lines(result):
        table.add_row(question, answer)
    return table


def perturbation_scores(result: ScreenResult) -> pd.DataFrame:
    """Correlation of every model for each perturbation, a row each."""
    wide = result.scores.pivot(index="perturbation", columns="model", values="pearson")
    wide = wide[list(result.scores["model"].unique())]
    counts = result.scores.groupby("perturbation")["n_cells"].first().astype(int)
    wide.insert(0, "cells", counts)
    return wide.reset_index()


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"
