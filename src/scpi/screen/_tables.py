"""The tables of a run: as text for the report, and for the terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from scpi import get
from scpi._keys import Key
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi.screen._verdict import HONEST

if TYPE_CHECKING:
    from scpi.screen._result import ScreenResult

_COLUMNS = {"pearson": "r", "pearson_top": "r top20", "rmse": "RMSE", "energy_distance": "energy"}
# The report has room for more
_OF_REPORT = _COLUMNS | {
    "pearson_perturbed": "r, perturbed",
    "r2_weighted": "weighted R²",
    "de_effect_jaccard": "DE genes",
    "discrimination": "discrimination",
}
_WORDS = {
    "additive": "adding single effects",
    "linear": "a linear model of the effects",
    "mean change": "the mean change of all conditions",
}
# Without edges, the table of scores fits into 80 columns
STYLE: dict[str, Any] = {
    "title_justify": "left",
    "caption_justify": "left",
    "box": SIMPLE_HEAD,
    "show_edge": False,
    "pad_edge": False,
}


# What the summary names: perturbations, those that it describes, and genes and gene sets of each
_N_NAMED, _N_DESCRIBED, _N_GENES, _N_SETS = 5, 5, 6, 3
_FDR = 0.05


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
            difference = _with_interval(at["difference"], at["low"], at["high"])
        rows.append(ScoreRow(str(name), [number(own["mean"].get(metric)) for metric in columns], difference))
    return rows


def score_table(result: ScreenResult) -> Table:
    """Table of the scores for the terminal."""
    n = len(result.averaged)
    what = (
        f"{counted(n, 'condition')} that no model was trained on"
        if result.held_out
        else f"{counted(n, 'perturbation')}, in test cells"
    )
    table = Table(title=f"Predicted change of {what}", **STYLE)
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


def scored(result: ScreenResult) -> str:
    """What the scores are about, in words."""
    n = len(result.averaged)
    if result.held_out:
        return f"{counted(n, 'condition')} that no model was trained on"
    return f"{counted(n, 'perturbation')}, in test cells of perturbations that the models were trained on"


def verdict(result: ScreenResult) -> str:
    """Say in a sentence or two whether the model predicts better than the best baseline of each metric."""
    own = result.summary[(result.summary["model"] == result.summary["model"].iloc[0])].set_index("metric")
    if result.untrained and set(result.averaged) <= set(result.untrained):
        return (
            f"SENAVAE predicts no change of {', '.join(result.averaged)}, of which it has no training cell, so that its scores are those of no change. "
            "`scpi.model.PerturbationGP` predicts perturbations without training cells."
        )
    score = f"The predicted change correlates with the measured one at r = {own.loc['pearson', 'mean']:.3f} on average"
    if not result.comparisons:
        return f"{score}."
    by_answer = {
        answer: [HONEST[one.metric] for one in result.comparisons if one.answer == answer]
        for answer in ("better", "level", "worse")
    }
    n, better, worse = len(result.comparisons), by_answer["better"], by_answer["worse"]
    if not better and not worse:
        words = f"in none of {n} metrics is SENAVAE distinguishable from the best baseline"
    else:
        parts = [
            f"{answer} than the best baseline in {len(names)} of {n} metrics ({', '.join(names)})"
            for answer, names in (("better", better), ("worse", worse))
            if names
        ]
        level = len(by_answer["level"])
        words = f"SENAVAE is {' and '.join(parts)}" + (f", and level with it in {level}" if level else "")
    first = result.comparisons[0]
    interval = f"{first.difference:+.3f}, " + (
        f"95 % interval {first.low:+.3f} to {first.high:+.3f}"
        if math.isfinite(first.low)
        else "without an interval, which one condition does not give"
    )
    return f"{score}; {words}. In r the best baseline is {_words(first.baseline, result)} ({interval})."


def _words(baseline: str, result: ScreenResult) -> str:
    """What a baseline does; all of those that are the same."""
    names = baseline.split(" = ")
    if not result.held_out and "additive" in names:
        # There is nothing to add where the same perturbation was trained on
        return "the mean of the training cells of the same perturbation"
    return " = ".join(_WORDS.get(name, name) for name in names)


def acting(result: ScreenResult) -> str:
    """How many perturbations change cells, and which are strongest, in a sentence or two."""
    effects = result.effects
    if not len(effects):
        return "No perturbation has enough cells to test whether it does anything."
    names = _strongest(effects)
    found = f"{len(names)} of {counted(len(effects), 'condition')} {'changes' if len(names) == 1 else 'change'} cells (false discovery rate 5 %)"
    return f"{found}. {'Strongest: ' if len(names) > 1 else ''}{_first(names, _N_NAMED)}." if names else f"{found}."


def acting_rows(result: ScreenResult) -> list[tuple[str, str]]:
    """The strongest perturbations, with the genes and the gene sets that they change most significantly."""
    names = _strongest(result.effects) if len(result.effects) else []
    return [(name, f"{_genes_of(result, name)} {_sets_of(result, name)}".strip()) for name in names[:_N_DESCRIBED]]


def _strongest(effects: pd.DataFrame) -> list[str]:
    """Perturbations that change cells, those that change them most first."""
    active = effects[effects["active"].astype(bool)]
    return active.sort_values("score", ascending=False, kind="stable")["perturbation"].astype(str).tolist()


def _genes_of(result: ScreenResult, name: str) -> str:
    table = result.genes
    own = table[
        (table["perturbation"].astype(str) == name) & (table["pval_adj"] <= _FDR) & ~table["is_target"].astype(bool)
    ]
    if own.empty:
        return "No single gene changes at a false discovery rate of 5 %."
    first = ", ".join(_arrow(row.gene, row.log2fc) for row in own.head(_N_GENES).itertuples())
    return f"{counted(len(own), 'gene')}: {first}{' ...' if len(own) > _N_GENES else '.'}"


def _sets_of(result: ScreenResult, name: str) -> str:
    if Key.uns.DIFFERENTIAL_ACTIVITY not in result.adata.uns:
        return ""
    table = get.differential_activity(result.adata)
    own = table[(table["group"].astype(str) == name) & (table["pval_adj"] <= _FDR)].sort_values("rank")
    first = ", ".join(_arrow(row.set, row.effect) for row in own.head(_N_SETS).itertuples())
    return f"Gene sets: {first}." if first else ""


def _arrow(name: str, change: float) -> str:
    return f"{name} {'↑' if change > 0 else '↓'}"


def _first(names: list[str], n: int) -> str:
    return ", ".join(names[:n]) + (f" and {len(names) - n} more" if len(names) > n else "")


def questions(result: ScreenResult) -> list[tuple[str, str]]:
    """What a reader asks first, with the answers: what acts, predictions, replicates, baselines, noise, what does nothing."""
    rows = [*acting_rows(result), ("Predictions?", verdict(result)), ("Replicates?", dict(result.design)["Replicates"])]
    baselines = [name for name in result.scores["model"].unique() if name not in (CEILING, PERFECT)][1:]
    best = pd.Series([one.baseline for one in result.comparisons], dtype=object).value_counts()
    where = ", ".join(f"{name} in {n}" for name, n in best.items())
    rows.append(
        (
            "Baselines?",
            f"{', '.join(baselines)}, trained on the same cells. The best of {len(result.comparisons)} metrics: {where}.",
        )
    )
    means = result.summary[result.summary["metric"] == "pearson"].set_index("model")["mean"]
    others = (
        f", and predictions of another perturbation {number(result.correlation_of_others)}"
        if math.isfinite(result.correlation_of_others)
        else ""
    )
    rows.append(
        (
            "Noise?",
            f"A perfect prediction would reach r = {number(means.get(PERFECT))} on the measured cells{', the' if others else ', and the'} prediction reaches "
            f"{number(means.iloc[0])}{others}.",
        )
    )
    effects = result.effects
    if len(effects):
        silent = effects.loc[~effects["active"].astype(bool), "perturbation"].astype(str).tolist()
        if silent:
            rows.append(("No effect found?", f"Of {_first(silent, 12)}."))
    return rows


def comparison_rows(result: ScreenResult) -> list[list[str]]:
    """The model against the best baseline of each metric, as text."""
    return [
        [
            HONEST[one.metric],
            number(one.model),
            number(one.best),
            one.baseline,
            _with_interval(one.difference, one.low, one.high),
            one.answer if math.isfinite(one.low) else "–",
        ]
        for one in result.comparisons
    ]


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
    table = Table(title="Planted and found", show_header=False, **STYLE)
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


def counted(n: int, what: str) -> str:
    """A number of things, the noun in the singular for one."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _with_interval(difference: float, low: float, high: float) -> str:
    """A difference with its interval, if it has one."""
    return f"{difference:+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if math.isfinite(low) else "")


def number(value: float | None) -> str:
    """A score as a table shows it."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"
