"""Text of the page of a grid."""

from __future__ import annotations

import datetime
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._report._figures import encode_figures
from scpi._report._render import as_frame, cell, render
from scpi._scoring._metrics import LOWER_IS_BETTER, NAMES
from scpi._versions import versions
from scpi.benchmark.grid._grid_model import GridNull
from scpi.benchmark.grid._reporting._figures import cost_figure, heat_map, rank_text, ranking_figure
from scpi.benchmark.grid._reporting._ranking import FEWEST, REFERENCES
from scpi.benchmark.grid._reporting._regimes import REGIMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from scpi.benchmark.grid._plan import Plan
    from scpi.benchmark.grid._report import GridReport
    from scpi.benchmark.grid._status import GridStatus

# Maximum numbers on the page, so that it stays small; the tables in the files are complete
_MOST_DRAWN, _MOST_SHOWN, _MOST_ROWS = 8, 60, 300
_CONTEXTS = 30
# Maximum number of names in a sentence
_MOST_NAMED = 4
_STANDINGS = ("ahead", "level", "behind")
# Dynamic range fraction below which a metric is called uninformative
_BLIND = 0.1


def write_page(found: GridReport, plan: Plan, status: GridStatus, path: Path, *, title: str) -> None:
    """Write the page of a report."""
    render("scpi.benchmark.grid._reporting", "grid.html", path, **_context(found, plan, status, title))


def _context(found: GridReport, plan: Plan, status: GridStatus, title: str) -> dict[str, Any]:
    parts = list(found.ranking.groupby(["data", "scheme"], sort=False))
    sections = list(_sections(found))
    return {
        "title": title,
        "date": datetime.datetime.now(tz=datetime.UTC).strftime("%d %B %Y"),
        "versions": versions(),
        "verdict": verdict(found, status),
        "tiles": [
            (f"{len(plan.grid.data):,}", "data sets"),
            (f"{len(parts):,}", "data x splits"),
            (f"{sum(not isinstance(one, GridNull) for one in plan.grid.variants().values()):,}", "models"),
            (f"{len(plan.grid.seeds):,}", "seeds"),
            (f"{status.counts['finished']:,} / {len(status.tasks):,}", "tasks finished"),
            *((f"{_n_named(found.scores[name]):,}", f"{name}s") for name in _SCORED if name in found.scores),
        ],
        "contents": [
            ("design", "Design"),
            ("predictions", "Ranking"),
            *((section["anchor"], section["brief"]) for section in sections),
            ("figures", "Figures"),
            ("tables", "Tables"),
            ("methods", "Methods"),
            ("settings", "Settings"),
        ],
        "questions": questions(found, status),
        "design": _design(found, plan),
        "notes": [],
        "rankings": [_ranking(found, key, rows) for key, rows in parts[:_MOST_SHOWN]],
        "has_nulls": len(found.nulls) > 0,
        "sections": sections,
        "figures": encode_figures(list(_figures(found, parts[:_MOST_DRAWN]))),
        "tables": list(_tables(found)),
        "methods": methods(found),
        "settings": _settings(plan, status),
        "files": [f"{name}.parquet" for name in found.tables],
    }


def verdict(found: GridReport, status: GridStatus) -> str:
    """Count the comparisons in which each model is ahead of the best baseline."""
    models = found.ranking[found.ranking["kind"] == "model"]
    own = models[models["standing"].isin(_STANDINGS)]
    unfinished = len(status.tasks) - status.counts["finished"]
    warning = f" {unfinished:,} of {len(status.tasks):,} tasks have no result and are excluded." if unfinished else ""
    few = int((models["standing"] == "too few").sum())
    if few:
        warning = f" Comparisons with fewer than {FEWEST} conditions, too few to call a model better or worse: {few}.{warning}"
    if not len(own):
        return f"No model was compared with a baseline in {FEWEST} conditions or more.{warning}"
    counts = own.groupby("model", sort=False)["standing"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=list(_STANDINGS), fill_value=0)
    counts = counts.sort_values(["ahead", "behind"], ascending=[False, True], kind="stable")
    shown = [
        f"{name} is ahead of the best baseline in {row['ahead']} of {row.sum()} comparisons, level in {row['level']} and behind in "
        f"{row['behind']}"
        for name, row in counts.head(_MOST_NAMED).iterrows()
    ]
    more = f"; {len(counts) - _MOST_NAMED} more models are in the tables" if len(counts) > _MOST_NAMED else ""
    return f"{'; '.join(shown)}{more}. A comparison is a metric on one data set and split.{warning}"


def questions(found: GridReport, status: GridStatus) -> list[tuple[str, str]]:
    """First questions of a reviewer, with answers."""
    state = ", ".join(f"{n:,} {name}" for name, n in status.counts.items() if n)
    ranked = found.ranking[found.ranking["kind"] != "reference"]
    n_conditions = ranked.groupby(["data", "scheme"], sort=False)["n_conditions"].max()
    few = int((n_conditions < FEWEST).sum())
    warning = (
        f" {few} of {len(n_conditions)} parts have fewer than {FEWEST}, so their intervals are too narrow."
        if few
        else ""
    )
    baselines = list(dict.fromkeys(ranked.loc[ranked["kind"] == "baseline", "model"]))
    return [
        ("Finished?", f"{len(status.tasks):,} tasks: {state}.{_failed(found)}"),
        (
            "How many?",
            f"{found.scores['seed'].nunique()} seeds, averaged before models are compared; {_range(n_conditions)} conditions.{warning}",
        ),
        (
            "Baselines?",
            f"{', '.join(baselines) or 'none'}. The best baseline of each metric is chosen after the fact, which favours it.",
        ),
        ("Same tasks?", _common(ranked)),
        ("Metrics?", _informative(found)),
        ("Leaks?", _leaky(found)),
        *([("Information used?", _above_nulls(found))] if len(found.nulls) else []),
    ]


def _common(ranked: pd.DataFrame) -> str:
    """Whether all models were compared on the same conditions and seeds."""
    comparisons = ranked.drop_duplicates(["data", "scheme", "metric"])
    partial = int((comparisons["n_common"] < comparisons["n_all"]).sum())
    if partial:
        said = (
            f"In {partial} of {len(comparisons)} comparisons, some models lack values; these comparisons use only the conditions and seeds "
            "that all models have."
        )
    else:
        said = "All models were compared on the same conditions and seeds."
    lacking = ranked[ranked["standing"] == "not ranked"].groupby("model", sort=False)["metric"].unique()
    names = "; ".join(f"{name} ({', '.join(of_model)})" for name, of_model in lacking.items())
    return (
        f"{said} Not ranked, because they have values in fewer than half of the conditions: {names}." if names else said
    )


def _informative(found: GridReport) -> str:
    """Metrics that distinguish a replicate from an uninformed prediction."""
    known = found.dynamic_range[found.dynamic_range["n"] > 0] if len(found.dynamic_range) else found.dynamic_range
    if not len(known):
        return "It is unknown which metrics are informative for these data, because the grid has no bounds (`ceiling: true` adds them)."
    blind = known[known["drf"] < _BLIND]
    said = f"{len(known) - len(blind)} of {len(known)} distinguish a replicate from an uninformed prediction"
    names = ", ".join(f"{row.metric} ({row.data}, {row.scheme})" for row in blind.head(_MOST_NAMED).itertuples())
    more = " and others" if len(blind) > _MOST_NAMED else ""
    return f"{said}. Not informative (DRF below {_BLIND}): {names}{more}." if names else f"{said}."


def _leaky(found: GridReport) -> str:
    """Findings of the audits of the folds."""
    if not len(found.leaks):
        return "None of medium or high severity between training and test cells in the folds of finished tasks."
    rows = found.leaks[found.leaks["severity"] == found.leaks["severity"].iloc[0]]
    names = "; ".join(f"{row.kind} ({row.data}, {row.scheme})" for row in rows.head(_MOST_NAMED).itertuples())
    more = " and others" if len(found.leaks) > min(len(rows), _MOST_NAMED) else ""
    return f"Of {rows['severity'].iloc[0]} severity: {names}{more}. The scores may be too good; the evidence is below."


def _above_nulls(found: GridReport) -> str:
    """In how many comparisons each model is better than its matched null."""
    known = found.nulls[found.nulls["standing"] != "too few"]
    if not len(known):
        return f"Unknown: with fewer than {FEWEST} conditions, no model is called better than its matched null."
    counts = known.groupby("model", sort=False)["standing"].agg(lambda of_model: (of_model == "above").sum())
    n_all = known.groupby("model", sort=False).size()
    shown = [f"{name} in {counts[name]} of {n_all[name]}" for name in counts.index]
    more = f", and {len(shown) - _MOST_NAMED} more models, in the table" if len(shown) > _MOST_NAMED else ""
    return f"Comparisons in which a model is better than its matched null: {', '.join(shown[:_MOST_NAMED])}{more}."


def methods(found: GridReport) -> str:
    """Methods text that a paper can reuse."""
    numbers = versions()
    software = ", ".join(f"{name} {numbers[name]}" for name in ("scpi", "scvi-tools", "torch") if name in numbers)
    return (
        f"Models were trained and evaluated with {software}. Scores were averaged over {found.scores['seed'].nunique()} seeds. Comparisons "
        "between models are paired over the conditions (split, context, perturbation and dose, or group) that all compared models predicted. "
        "Models with values in fewer than half of the conditions were not ranked. Intervals are 95 % percentile intervals of a bootstrap over "
        "conditions. They are too narrow, because conditions share training and control cells and are not independent. Models share a rank "
        "if the interval of the difference from the first model of that rank contains 0. The split-half ceiling is one half of the measured "
        "cells as a prediction of the other half; the score of a perfect prediction is derived from it (Spearman, 1910; Brown, 1910). The dynamic range "
        f"fraction and the bound discrimination score are those of Miller et al. (2025). {_METHODS_OF_NULLS if len(found.nulls) else ''}No correction was made for the number of comparisons."
    )


_METHODS_OF_NULLS = (
    "The matched null of a model was trained with the same settings and seed, after the labels of the perturbed training conditions had been "
    "permuted within each context. "
)


def _failed(found: GridReport) -> str:
    failed = found.failures[found.failures["state"] == "failed"]
    names = ", ".join(f"{name} ({n})" for name, n in failed["model"].value_counts().items())
    return f" Failed: {names}; the reasons are below." if names else ""


def _counted(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def _n_named(values: pd.Series) -> int:
    """Number of names; a row without a group has an empty one."""
    return int(values[values != ""].nunique())


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _design(found: GridReport, plan: Plan) -> list[tuple[str, str]]:
    rows = []
    for (data, scheme), own in found.scores.groupby(["data", "scheme"], observed=True, sort=False):
        entry, split = plan.grid.data[data], plan.grid.splits[scheme]
        source = entry.loader or (f"{entry.simulator}, seed {entry.seed}" if entry.simulator else "a file")
        # Paths of files are not shown
        size = ", ".join(
            _counted(_n_named(own[name]), word)
            for name, word in _SIZES.items()
            if name in own and _n_named(own[name]) > 1
        )
        rows.append((f"{data}, {scheme}", f"{source}; {str(split.by).rpartition(':')[2]}: {size or 'one condition'}."))
    return rows


def _ranking(found: GridReport, key: tuple[str, str], rows: pd.DataFrame) -> dict[str, Any]:
    """One part of the grid: a table of all metrics, and one for each."""
    metrics = list(dict.fromkeys(rows["metric"]))
    at = rows.set_index(["model", "metric"])
    own = rows[rows["kind"] != "reference"]
    order = own.groupby("model", sort=False)["rank"].mean().sort_values(kind="stable", na_position="last").index
    references = [name for name in REFERENCES if name in set(rows["model"])]
    shown = []
    for name in (*order, *references):
        cells = [_cell(at.loc[name, metric]) if (name, metric) in at.index else _EMPTY for metric in metrics]
        shown.append({"model": name, "kind": rows.loc[rows["model"] == name, "kind"].iloc[0], "cells": cells})
        shown += _null_rows(found, key, name, metrics)
    first = own.groupby("metric", sort=False)[["n_conditions", "n_seeds", "n_common", "n_all"]].first()
    scope = f"{_range(first['n_conditions'])} conditions, {_range(first['n_seeds'])} seeds."
    partial = first[first["n_common"] < first["n_all"]].reset_index()
    notes = [
        f"{', '.join(rows['metric'])}: compared on the {n_common:,} of {n_all:,} pairs of condition and seed that all ranked models have."
        for (n_common, n_all), rows in partial.groupby(["n_common", "n_all"], sort=False)
    ]
    without = [name for name in found.scores if name in NAMES and name not in metrics]
    notes += [f"No values: {', '.join(without)}."] if without and found.ranking["metric"].isin(without).any() else []
    notes += [_FEW] if first["n_conditions"].max() < FEWEST else []
    arrows = [f"{metric} {'↓' if metric in LOWER_IS_BETTER else '↑'}" for metric in metrics]
    details = [(f"{metric}, in detail", _detail(rows[rows["metric"] == metric])) for metric in metrics]
    title = " · ".join(key)
    return {"title": title, "scope": scope, "metrics": arrows, "rows": shown, "notes": notes, "details": details}


def _null_rows(found: GridReport, key: tuple[str, str], model: str, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Matched nulls of a model, with the differences of the model from them."""
    if not len(found.nulls):
        return
    nulls = found.nulls
    own = nulls[(nulls["data"] == key[0]) & (nulls["scheme"] == key[1]) & (nulls["model"] == model)]
    for name, rows in own.groupby("null", sort=False):
        at = rows.set_index("metric")
        cells = [_null_cell(at.loc[metric]) if metric in at.index else _EMPTY for metric in metrics]
        yield {"model": name, "kind": "null", "cells": cells}


def _null_cell(row: pd.Series) -> dict[str, str]:
    return {"mean": cell(_number(row["null_mean"])), "rank": _signed(row["difference"]), "standing": row["standing"]}


_FEW = f"With fewer than {FEWEST} conditions, no order is significant at 5 %. Ranks describe these conditions only."
_SCORED = ("perturbation", "group")
"""Columns that name what a task scores."""
_SIZES = {"split": "fold", "perturbation": "perturbation", "context": "context", "dose": "dose", "group": "group"}
_EMPTY = {"mean": "–", "rank": "", "standing": ""}


def _cell(row: pd.Series) -> dict[str, str]:
    return {"mean": cell(_number(row["mean"])), "rank": rank_text(row), "standing": row["standing"] or ""}


def _detail(rows: pd.DataFrame) -> dict[str, Any]:
    """Means, differences and intervals in one metric, as text."""
    baseline = next((name for name in rows["baseline"].dropna()), None)
    columns = ["model", "rank", "mean", "95 % CI", f"difference from {baseline}", "95 % CI", "better in", "scaled", "n"]
    shown = []
    for _, row in rows.iterrows():
        fraction = _number(row.get("fraction_better"))
        shown.append(
            [
                row["model"],
                rank_text(row) or ("not ranked" if row["standing"] == "not ranked" else ""),
                cell(_number(row["mean"])),
                _interval(row["mean_low"], row["mean_high"]),
                _signed(row["difference"]),
                _interval(row["low"], row["high"], signed=True),
                "–" if math.isnan(fraction) else f"{fraction:.0%}",
                cell(_number(row["scaled"])),
                row["n"],
            ]
        )
    return {"columns": columns, "rows": shown}


def _number(value: Any) -> float:
    return float("nan") if value is None or pd.isna(value) else float(value)


def _signed(value: Any) -> str:
    return "–" if pd.isna(value) else f"{value:+.3f}"


def _interval(low: Any, high: Any, *, signed: bool = False) -> str:
    if pd.isna(low) or pd.isna(high):
        return "–"
    return f"[{low:+.3f}, {high:+.3f}]" if signed else f"[{low:.3f}, {high:.3f}]"


def _sections(found: GridReport) -> Iterator[dict[str, Any]]:
    """Tables beside the ranking that have rows."""
    section = partial(_section, several=len(found.ranking.drop_duplicates(["data", "scheme"])) > 1)
    failed = _failures(found)
    if len(failed):
        caption = "Tasks that failed or were killed, with the reason of the latest attempt."
        yield section("failures", "What failed?", "Failed", caption, failed, 6, wraps=True)
    if len(found.leaks):
        table = found.leaks.rename(columns={"n_divisions": "folds", "entry": "in"})
        caption = (
            "Leaks between training and test cells that the audit of the folds found, with the evidence in the first affected fold and a remedy. A leak in an "
            "entry of the data is severe for models that read this entry."
        )
        yield section("leaks", "Can the scores be trusted?", "Leaks", caption, table, 8, wraps=True)
    if len(found.nulls):
        table = found.nulls.drop(columns=["null", "null_low", "null_high"]).rename(columns={"n": "conditions"})
        table = table.assign(
            low=[_interval(*pair, signed=True) for pair in zip(table["low"], table["high"], strict=True)]
        )
        table = table.drop(columns="high").rename(
            columns={
                "null_mean": "mean of null",
                "low": "95 % CI",
                "fraction_better": "better in",
                "standing": "model is",
            }
        )
        table = table[["model", "metric", *(name for name in table if name not in ("model", "metric"))]]
        caption = (
            "Each model beside its matched null: the same model with the same settings and seeds, trained after the labels of the perturbed training conditions "
            "were permuted within each context. The difference is that of the model minus the null, paired over conditions. A model that is level with its "
            "null has learned nothing about single perturbations, even if its score is good."
        )
        yield section("nulls", "Do models use the labels?", "Nulls", caption, table, 4)
    if len(found.regimes):
        caption = (
            "Conditions in which each model beats the best baseline, by regime. Near-solved: the baseline reaches the replicate (one half of the cells as a "
            "prediction of the other half). Resistant: the baseline is no better than no change. Between: neither. No signal: the replicate is no better "
            "than no change. Wins in resistant conditions are the most convincing."
        )
        yield section("regimes", "Where are the wins?", "Regimes", caption, _regimes(found), 4)
    if len(found.dynamic_range):
        table = found.dynamic_range[found.dynamic_range["n"] > 0].rename(
            columns={"drf": "DRF", "drf_median": "median DRF", "bds": "BDS", "n": "conditions"}
        )
        caption = (
            "Dynamic range fraction (DRF): position of a replicate between an uninformed prediction (0) and a perfect one (1), mean over conditions. "
            "Bound discrimination score (BDS): fraction of the conditions in which a replicate is better than an uninformed prediction; 0.5 is chance. "
            "A metric for which both are small is not informative for these data."
        )
        yield section("dynamic-range", "Which metrics are informative?", "Metrics", caption, table, 3)
    if len(found.costs):
        table = found.costs.rename(columns={"memory_mb": "MB", "n_parameters": "parameters", "n_tasks": "tasks"})
        table["parameters"] = [_count(value) for value in table["parameters"]]
        table["MB"] = [_count(value) for value in table["MB"]]
        table = table.drop(columns="gpu") if table["gpu"].isna().all() else table
        caption = "Mean time of a task including reading and scoring, peak memory of its process, and number of trainable parameters."
        yield section("cost", "What does it cost?", "Cost", caption, table, 3)
    if len(found.further):
        caption = "Further columns of the table of the grid, beside scores."
        yield section("further", "Further columns", "Further", caption, found.further, 5, wraps=True)


def _failures(found: GridReport) -> pd.DataFrame:
    """Tasks that failed or were killed, with one row per model and reason."""
    failed = found.failures[~found.failures["state"].isin(["waiting", "running"])]
    rows = []
    by = ["model", "data", "scheme", "state", "reason"]
    for key, own in failed.groupby(by, sort=False):
        names = [f"{row.split} (seed {row.seed})" for row in own.itertuples()]
        more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        of_row = dict(zip(by, key, strict=True)) | {"tasks": f"{len(names)}: {', '.join(names[:_MOST_NAMED])}{more}"}
        rows.append(of_row)
    return pd.DataFrame(rows, columns=["model", "data", "scheme", "state", "reason", "tasks"])


def _section(
    anchor: str,
    title: str,
    brief: str,
    caption: str,
    table: pd.DataFrame,
    n_names: int,
    *,
    several: bool,
    wraps: bool = False,
) -> dict[str, Any]:
    """A table with its heading; its first columns are names, and ``several`` says whether the grid has several parts."""
    table = _placed(table, several=several)
    if len(table) > _MOST_ROWS:
        caption += f" The table shows the first {_MOST_ROWS} of {len(table):,} rows; the file is complete."
    return {
        "anchor": anchor,
        "title": title,
        "brief": brief,
        "caption": caption,
        "table": as_frame(table.head(_MOST_ROWS)),
        "n_names": n_names - (1 if several else 2),
        "wraps": wraps,
    }


def _placed(table: pd.DataFrame, *, several: bool) -> pd.DataFrame:
    """Put the part of the grid behind the names of each row; a grid with one part needs no such column."""
    where = table["data"].astype(str) + " · " + table["scheme"].astype(str)
    rest = table.drop(columns=["data", "scheme"])
    if several:
        names = [name for name in ("model", "metric") if name in rest]
        rest.insert(len(names), "data · split", where)
    return rest


def _count(value: Any) -> str:
    return "–" if pd.isna(value) else f"{int(value):,}"


def _regimes(found: GridReport) -> pd.DataFrame:
    """Wins of models as "3 of 5", one column per regime; of baselines if the grid has no models."""
    kinds = found.ranking.drop_duplicates(["data", "scheme", "model"]).set_index(["data", "scheme", "model"])["kind"]
    table = found.regimes[found.regimes["model"] != found.regimes["baseline"]]
    keys = pd.MultiIndex.from_frame(table[["data", "scheme", "model"]])
    is_model = (kinds.reindex(keys) == "model").to_numpy()
    table = table[is_model] if is_model.any() else table
    text = [f"{row.n_wins} of {row.n_conditions}" if row.n_conditions else "–" for row in table.itertuples()]
    by = ["data", "scheme", "model", "metric"]
    wide = table.assign(text=text).pivot(index=by, columns="regime", values="text")
    order = pd.MultiIndex.from_frame(table[by].drop_duplicates())
    return wide.loc[order, list(REGIMES)].reset_index()


def _figures(
    found: GridReport, parts: Sequence[tuple[tuple[str, str], pd.DataFrame]]
) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Figures of the first metric, for the first parts of the grid."""
    for (data, scheme), rows in parts:
        ranked = rows[rows["kind"].ne("reference") & rows["rank"].notna()]
        if not len(ranked):
            continue
        metric = ranked["metric"].iloc[0]
        own = rows[rows["metric"] == metric]
        nulls = found.nulls
        if len(nulls):
            nulls = nulls[(nulls["data"] == data) & (nulls["scheme"] == scheme) & (nulls["metric"] == metric)]
        where = f"{data} · {scheme}: {metric}"
        yield (
            where,
            "Means over conditions with 95 % intervals, and ranks. Blue: models; grey: baselines. Lines: the noise ceiling, and a prediction "
            "without knowledge of the condition."
            + (
                " Open circles: matched nulls, with the paired difference from the model and its 95 % interval."
                if len(nulls)
                else ""
            ),
            partial(ranking_figure, own, nulls),
        )
        contexts = found.contexts[
            (found.contexts["data"] == data)
            & (found.contexts["scheme"] == scheme)
            & (found.contexts["metric"] == metric)
        ]
        if 1 < contexts["context"].nunique() <= _CONTEXTS:
            caption = "Means in each context. Models are ordered by rank; the last row is one half of the cells as a prediction of the other half."
            yield f"{where}, by context", caption, partial(heat_map, contexts, own)
        costs = found.costs
        costs = costs[(costs["data"] == data) & (costs["scheme"] == scheme)] if len(costs) else costs
        if len(costs):
            caption = "Score, mean time of a task, peak memory of its process, and number of trainable parameters."
            yield f"{where}, against cost", caption, partial(cost_figure, costs, own)


def _tables(found: GridReport) -> Iterator[tuple[str, dict[str, Any]]]:
    """Means by context, in each metric."""
    contexts = found.contexts
    for (data, scheme, metric), rows in contexts.groupby(["data", "scheme", "metric"], sort=False):
        if rows["context"].nunique() > 1:
            order = list(dict.fromkeys(rows["model"]))
            wide = rows.pivot(index="context", columns="model", values="mean")[order].reset_index()
            yield f"{data} · {scheme}: {metric} by context", as_frame(wide.head(_MOST_ROWS))


def _settings(plan: Plan, status: GridStatus) -> list[tuple[str, Any]]:
    grid = plan.grid.to_dict()
    names = ("task", "metrics", "seeds", "ceiling", "n_cells", "n_components", "exclude_targets")
    rows = [("plan", status.plan), *((name, grid[name]) for name in names)]
    for name, model in grid["models"].items():
        given = {key: value for key, value in model.items() if value not in (None, {}, 0.0)}
        rows.append((f"models.{name}", ", ".join(f"{key}: {value}" for key, value in given.items())))
    return rows
