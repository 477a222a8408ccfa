from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi.benchmark import dynamic_range
from scpi.benchmark.grid import Grid, GridReport
from scpi.benchmark.grid._plan import GridTask, Plan
from scpi.benchmark.grid._reporting._nulls import compare_nulls
from scpi.benchmark.grid._reporting._page import _context, questions, verdict, write_page
from scpi.benchmark.grid._reporting._ranking import benchmarks, by_context, rank
from scpi.benchmark.grid._reporting._records import further_columns
from scpi.benchmark.grid._reporting._regimes import regimes
from scpi.benchmark.grid._status import GridStatus

BASE = np.linspace(0.2, 0.5, 8)
MODELS = {
    "base": BASE,
    "m": BASE + 0.1,
    "split-half_ceiling": BASE + 0.2,
    "positive_bound": BASE + 0.2,
    "negative_bound": BASE - 0.1,
}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture
def made(scores):
    """A function that makes the tables of a report, the plan of its grid and where that stands."""

    def make(table=None, failures=(), metrics=("pearson",), leaks=()):
        table = scores(**MODELS) if table is None else table
        parts = list(benchmarks(table))
        ranking = pd.concat([rank(one, metrics, ["base"], n_bootstrap=50, rng=0) for one in parts], ignore_index=True)
        columns = ["data", "scheme", "split", "model", "seed", "hash", "state", "attempt", "reason"]
        costs = ranking.loc[ranking["kind"] != "reference", ["data", "scheme", "model"]].drop_duplicates()
        report = GridReport(
            path=Path("report.html"),
            scores=table,
            ranking=ranking,
            regimes=pd.concat([regimes(one, ranking[ranking["data"] == one.data]) for one in parts]),
            nulls=pd.concat([compare_nulls(one, metrics, n_bootstrap=50, rng=0) for one in parts], ignore_index=True),
            dynamic_range=dynamic_range(table) if "positive bound" in set(table["model"]) else pd.DataFrame(),
            contexts=pd.concat([by_context(one, metrics) for one in parts]),
            costs=costs.assign(n_tasks=1, seconds=2.0, memory_mb=300.0, n_parameters=5000, gpu=None),
            failures=pd.DataFrame(failures, columns=columns),
            leaks=pd.DataFrame(leaks),
            further=further_columns(table),
        )
        grid = Grid.from_dict(
            {
                "data": {name: {"simulator": "plant_screen", "seed": 0} for name in table["data"].unique()},
                "splits": {name: {"by": "random_cells"} for name in table["scheme"].unique()},
                "models": {"base": "MeanDelta", "m": "MultiTaskAE"},
                "metrics": list(metrics),
                "seeds": [0],
            }
        )
        tasks = tuple(GridTask(str(i), "d", "s", 0, "all", "m", i) for i in range(3))
        states = dict.fromkeys("012", "finished") | ({"2": "failed"} if len(failures) else {})
        status = GridStatus(out=Path(), plan="p", tasks=tasks, states=states, attempts=(), n_other=0, leaks=())
        return report, Plan(grid, {}, tasks), status

    return make


def test_the_page_shows_ranks_bounds_regimes_and_costs(made, tmp_path):
    report, plan, status = made()
    path = tmp_path / "page.html"
    write_page(report, plan, status, path, title="A <grid>")
    page = path.read_text(encoding="utf-8")
    assert "A &lt;grid&gt;" in page and not re.search(r"(src|href)=\"(?!#|data:)|@import|url\(", page)
    # Neither the folder nor a machine is named
    assert "/tmp" not in page and str(tmp_path) not in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for words in (
        "m 0.450 1 ▲",
        "base 0.350 2",
        "8 of 8",
        "Where are the wins?",
        "Which metrics are informative?",
        "5,000",
    ):
        assert words in text
    assert page.count("<img") == 3


def test_the_verdict_counts_comparisons(made, scores):
    report, _, status = made()
    assert verdict(report, status) == (
        "m is ahead of the best baseline in 1 of 1 comparisons, level in 0 and behind in 0. A comparison is a metric on one data set and "
        "split."
    )
    report, _, status = made(scores(base=BASE[:3], m=BASE[:3] + 0.1))
    assert verdict(report, status) == (
        "No model was compared with a baseline in 6 conditions or more. Comparisons with fewer than 6 conditions, too few to call a model "
        "better or worse: 1."
    )


def test_failures_and_conditions_that_some_lack_are_named(made, scores):
    failures = [["d", "s", "all", "m", 2, "2", "failed", 1, "RuntimeError: out of luck"]]
    report, plan, status = made(scores(base=BASE, m=[None, *BASE[1:]], rare=[*[None] * 6, 0.1, 0.2]), failures)
    answers = dict(questions(report, status))
    assert answers["Finished?"] == "3 tasks: 2 finished, 1 failed. Failed: m (1); the reasons are below."
    assert answers["Same tasks?"] == (
        "In 1 of 1 comparisons, some models lack values; these comparisons use only the conditions and seeds that all models have. "
        "Not ranked, because they have values in fewer than half of the conditions: rare (pearson)."
    )
    assert "no bounds" in answers["Metrics?"]
    assert verdict(report, status).endswith("1 of 3 tasks have no result and are excluded.")
    shown = _context(report, plan, status, "t")
    assert shown["rankings"][0]["notes"] == [
        "pearson: compared on the 7 of 8 pairs of condition and seed that all ranked models have."
    ]
    (failed,) = (section for section in shown["sections"] if section["anchor"] == "failures")
    assert failed["table"]["rows"] == [["m", "failed", "RuntimeError: out of luck", "1: all (seed 2)"]]


def test_nulls_stand_below_their_models(made, scores):
    table = scores(**MODELS | {"null_of_m": BASE - 0.1, "null_of_base": BASE})
    for name in ("m", "base"):
        table.loc[table["model"] == f"null of {name}", "null_of"] = name
    report, plan, status = made(table)
    rows = _context(report, plan, status, "t")["rankings"][0]["rows"]
    assert [row["model"] for row in rows[:4]] == ["m", "null of m", "base", "null of base"]
    assert [row["kind"] for row in rows[:4]] == ["model", "null", "baseline", "null"]
    assert rows[1]["cells"] == [{"mean": "0.250", "rank": "+0.200", "standing": "above"}]
    assert rows[3]["cells"][0]["standing"] == "level"
    answers = dict(questions(report, status))
    assert (
        answers["Information used?"]
        == "Comparisons in which a model is better than its matched null: m in 1 of 1, base in 0 of 1."
    )
    (section,) = (one for one in _context(report, plan, status, "t")["sections"] if one["anchor"] == "nulls")
    assert section["table"]["columns"][:5] == ["model", "metric", "mean", "mean of null", "difference"]
    assert "matched null" in _context(report, plan, status, "t")["methods"]


def test_metrics_that_say_nothing_are_named(made, scores):
    models = MODELS | {"negative_bound": BASE + 0.19}
    report, _, status = made(scores(**models))
    assert dict(questions(report, status))["Metrics?"] == (
        "0 of 1 distinguish a replicate from an uninformed prediction. Not informative (DRF below 0.1): pearson (d, s)."
    )


def test_a_leak_is_shown(made, scores):
    report, plan, status = made(scores(**MODELS))
    assert dict(questions(report, status))["Leaks?"].startswith("None of medium or high severity")
    leak = {"data": "d", "scheme": "s", "kind": "duplicated cells", "severity": "high", "entry": ""}
    leak |= {"n_divisions": 2, "evidence": "e", "remedy": "r"}
    report, plan, status = made(scores(**MODELS), leaks=[leak])
    assert dict(questions(report, status))["Leaks?"].startswith("Of high severity: duplicated cells (d, s). The scores")
    (section,) = (one for one in _context(report, plan, status, "t")["sections"] if one["anchor"] == "leaks")
    assert section["table"]["rows"] == [["duplicated cells", "high", "", 2, "e", "r"]]


def test_a_large_grid_makes_a_page_of_less_than_3_mb(made, scores, tmp_path):
    rng = np.random.default_rng(0)
    names = ["base", *(f"a network with a long name ({number})" for number in range(9)), "split-half_ceiling"]
    tables = [
        scores(data=f"data set {place}", **{name: rng.uniform(size=8) for name in names}).assign(
            **{metric: rng.uniform(size=88) for metric in ("rmse", "mae", "r2", "cosine", "sign_accuracy")}
        )
        for place in range(36)
    ]
    metrics = ("pearson", "rmse", "mae", "r2", "cosine", "sign_accuracy")
    report, plan, status = made(pd.concat(tables), metrics=metrics)
    path = tmp_path / "page.html"
    write_page(report, plan, status, path, title="large")
    assert path.stat().st_size < 3e6
