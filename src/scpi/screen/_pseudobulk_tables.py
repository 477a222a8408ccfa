"""The tables and sentences of a run on profiles: for the report, and for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from rich.table import Table

from scpi._model_names import joined
from scpi._scoring._noise_ceiling import CEILING, PERFECT
from scpi.screen._tables import STYLE, counted, number

if TYPE_CHECKING:
    from scpi.screen._pseudobulk_result import PseudobulkResult, Ranking

RANKED = {
    "pearson": "correlation of the change",
    "pearson_perturbed": "correlation against the other perturbations",
    "error_ratio": "error, relative to the change",
    "r2": "R²",
    "discrimination": "discrimination of the perturbations",
}
"""Metrics that the verdict is on."""
_COLUMNS = {
    "pearson": "r",
    "pearson_perturbed": "r, perturbed",
    "error_ratio": "error",
    "r2": "R²",
    "discrimination": "discrimination",
}


def score_header(result: PseudobulkResult, *, brief: bool = False) -> list[str]:
    """Names of the columns of :func:`score_rows`; the first ones only where there is little room (``brief``)."""
    return ["model", *_columns(brief).values(), f"r against {result.baseline}"]


def _columns(brief: bool) -> dict[str, str]:
    return dict(list(_COLUMNS.items())[:3]) if brief else _COLUMNS


def score_rows(result: PseudobulkResult, *, brief: bool = False) -> list[list[str]]:
    """Mean scores of each baseline and of the ceiling, and the paired difference of the correlation."""
    rows = []
    for name in result.summary["model"].unique():
        own = result.summary[result.summary["model"] == name].set_index("metric")
        at = own.loc["pearson"]
        difference = "–"
        if pd.notna(at["difference"]):
            difference = f"{at['difference']:+.3f} [{at['low']:+.3f}, {at['high']:+.3f}]"
        rows.append([str(name), *(number(own["mean"].get(metric)) for metric in _columns(brief)), difference])
    return rows


def score_table(result: PseudobulkResult) -> Table:
    """Table of the scores for the terminal."""
    table = Table(title=f"Predicted change of {scored(result)}", **STYLE)
    for position, name in enumerate(score_header(result, brief=True)):
        table.add_column(name, justify="left" if position == 0 else "right", no_wrap=True)
    for position, row in enumerate(score_rows(result, brief=True)):
        table.add_row(*row, style="bold" if position == 0 else None)
    return table


def fold_rows(result: PseudobulkResult, *, metric: str = "pearson") -> tuple[list[str], list[list[str]]]:
    """Header and rows of the means by fold, with the mean and the standard deviation over folds."""
    table = result.folds[result.folds["metric"] == metric]
    wide = table.pivot(index="model", columns="split", values="mean")[list(table["split"].unique())]
    over = table.drop_duplicates("model").set_index("model")
    header = ["model", *map(str, wide.columns), "mean", "SD"]
    rows = [
        [
            str(name),
            *(number(value) for value in wide.loc[name]),
            number(over.loc[name, "mean_of_folds"]),
            number(over.loc[name, "sd_of_folds"]),
        ]
        for name in over.index
    ]
    return header, rows


def scored(result: PseudobulkResult) -> str:
    """What the scores are about, in words."""
    n_folds = result.scores["split"].nunique()
    how = "held out at once" if n_folds == 1 else f"each held out in one of {n_folds} folds"
    return f"{counted(len(result.held_out), 'combination')}, {how}"


def verdict(result: PseudobulkResult) -> str:
    """Say which baseline is best, and which are level with it."""
    first = result.rankings[0]
    best = pd.Series([one.best for one in result.rankings]).value_counts()
    ceiling = f" (a perfect prediction would reach {first.perfect:.3f})" if pd.notna(first.perfect) else ""
    sentence = (
        f"Rows are conditions, not cells, and the baselines alone were compared, on {scored(result)}. In r the best baseline is "
        f"{first.best}, with {first.mean:.3f}{ceiling}; {_level(first)}. It is the best in {best[first.best]} of {len(result.rankings)} "
        "metrics"
    )
    level = [f"{joined_names(one.level)} ({RANKED[one.metric]})" for one in result.rankings[1:] if one.level]
    return f"{sentence}{'; level with the best elsewhere: ' + ', '.join(level) if level else ''}."


def _level(ranking: Ranking) -> str:
    if not ranking.level:
        return "no other is level with it"
    return f"level with it {'is' if len(ranking.level) == 1 else 'are'} {joined_names(ranking.level)}"


def joined_names(names: list[str]) -> str:
    """Names in a sentence; a dash without any."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "–"


def ranking_rows(result: PseudobulkResult) -> list[list[str]]:
    """The best baseline of each metric, and those that are level with it, as text."""
    return [
        [
            RANKED[one.metric],
            one.best,
            number(one.mean),
            number(one.perfect),
            joined_names(one.level),
        ]
        for one in result.rankings
    ]


def questions(result: PseudobulkResult) -> list[tuple[str, str]]:
    """What a reviewer asks first, with the answers: rows, replicates, baselines, noise."""
    design, first = dict(result.design), result.rankings[0]
    names = [name for name in result.scores["model"].unique() if name not in (CEILING, PERFECT)]
    halves = result.summary[result.summary["metric"] == "pearson"].set_index("model")["mean"].get(CEILING)
    noise = (
        f"Halves of the profiles agree at r = {number(halves)}: a perfect prediction would reach {first.perfect:.3f}, the best "
        f"baseline reaches {first.mean:.3f}."
        if pd.notna(first.perfect)
        else "Not known: there are neither halves nor replicates of the conditions that were predicted."
    )
    if "Control" in design or design.get("Values", "").startswith("Changes"):
        noise += " Measured and predicted changes share the noise of the control."
    return [
        ("Cells?", f"{design['Rows']} No network was trained."),
        ("Replicates?", design["Replicates"]),
        ("Baselines?", f"{joined_names(names)}. In r the best is {first.best}; {_level(first)}."),
        ("Noise?", noise),
    ]


def methods(result: PseudobulkResult) -> str:
    """What was done, in words that a paper can take over."""
    numbers = result.settings["versions"]
    software = ", ".join(f"{name} {numbers[name]}" for name in ("scpi", "scanpy") if name in numbers)
    n_folds = result.scores["split"].nunique()
    folds = "held out at once" if n_folds == 1 else f"divided at random into {n_folds} folds, each held out in turn"
    names = joined([str(name) for name in result.summary["model"].unique() if name not in (CEILING, PERFECT)])
    return (
        f"{result.adata.n_obs:,} profiles of conditions and {result.adata.n_vars:,} genes were analysed with {software}. "
        f"{len(result.held_out)} combinations were {folds} (seed {result.settings['seed']}), and predicted by baselines ({names}) from the "
        "other profiles. Predicted changes were compared with measured ones without the genes that are perturbed. Differences between "
        "baselines are paired over conditions, with percentile intervals of 2,000 bootstrap samples. What a perfect prediction would "
        "score follows from the correlation of halves (Spearman, 1910; Brown, 1910)."
    )
