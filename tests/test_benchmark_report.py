"""Tables of committed benchmark results."""

from __future__ import annotations

import importlib.util
import json

import pytest


@pytest.fixture(scope="module")
def report(project):
    spec = importlib.util.spec_from_file_location("benchmarks_report", project / "benchmarks" / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_table_shows_three_digits_and_aligns_numbers(report):
    lines = report.table(("model", "rmse"), [("a", 0.12345), ("b", None), ("c", 5.678e-7)]).splitlines()
    assert lines == ["| model | rmse |", "| --- | --: |", "| a | 0.123 |", "| b | – |", "| c | 5.7e-07 |"]


def test_seeds_are_averaged(report, tmp_path):
    shared = {
        "mechanism": "linear",
        "n_factors": 5,
        "n_genes": 200,
        "edge_ap_chance": 0.4,
        "shd_at_0.2": 1,
        "shd_empty": 4,
    }
    cells = dict.fromkeys(("mmd_model", "mmd_additive", "mmd_no_change", "mmd_floor"), 0.5)
    rows = [shared | cells | {"seed": i, "targets_recovered": 1.0, "edge_ap": ap} for i, ap in enumerate((0.5, 0.75))]
    (tmp_path / "simulated_scm.json").write_text(json.dumps(rows))
    text = report.section("simulated_scm", tmp_path)
    assert "| linear | 5 | 200 | 2 | 1 | 0.625 | 0.4 | 1 | 4 |" in text


def test_a_missing_result_is_said_to_be_missing(report, tmp_path):
    for name in report.SECTIONS:
        assert f"`benchmarks/results/{name}.json`" in report.section(name, tmp_path)


def test_a_result_of_another_shape_is_still_shown(report, tmp_path):
    (tmp_path / "memory.json").write_text(json.dumps({"peak": 1.5}))
    assert "| peak | 1.5 |" in report.section("memory", tmp_path)


def test_the_page_asks_for_every_result(report, project):
    page = (project / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in report.SECTIONS if f"{{{{ benchmark: {name} }}}}" not in page] == []


def test_models_stand_in_the_order_of_their_ranks_and_the_ceiling_last(report, tmp_path):
    def row(model, mean, difference=None):
        ends = {"mean_low": mean - 0.1, "mean_high": mean + 0.1}
        shift = {"difference": difference, "low": None if difference is None else -0.5, "high": 0.25}
        return {"model": model, "metric": "pearson", "mean": mean} | ends | shift

    result = {
        "models": {name: {"seeds": [0, 1]} for name in ("WeightedDelta", "ceiling", "Net")},
        "rank": {"WeightedDelta": 1.75, "Net": 1.25},
        "rank_of_networks": {"Net": 1.0},
        "summary": [row("WeightedDelta", 0.5), row("ceiling", 0.75, 0.25), row("Net", 0.25, -0.25)],
    }
    (tmp_path / "predict_contexts.json").write_text(json.dumps({"gbm": result}))
    lines = report.section("predict_contexts", tmp_path).splitlines()
    assert [line.split("|")[1].strip() for line in lines[4:]] == ["Net", "WeightedDelta", "ceiling"]
    assert lines[4].startswith("| Net | 1.25 | 1 | 0.25 (0.15 to 0.35) | – | -0.25 (-0.5 to 0.25) |")
    assert "| WeightedDelta | 1.75 | – | 0.5 (0.4 to 0.6) | – | – |" in lines[5]
