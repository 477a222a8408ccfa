"""Tables of committed benchmark results."""

from __future__ import annotations

import importlib.util
import json

import pytest


def script(project, name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", project / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def report(project):
    return script(project, "report")


@pytest.fixture(scope="module")
def results(project):
    return script(project, "_results")


def test_every_result_is_the_one_that_its_provenance_describes(results):
    paths = [path for path in results.RESULTS.glob("*.json") if not path.name.endswith(".meta.json")]
    found = {path.stem: json.loads(path.with_suffix(".meta.json").read_text()) for path in paths}
    assert [path.stem for path in paths if found[path.stem]["sha256"] != results.digest(path)] == []
    assert all(meta["date"] and meta["commit"] and meta["versions"]["scpi"] for meta in found.values())


def test_a_summary_is_stored_with_what_made_it_and_shown_with_it(report, results, tmp_path):
    results.store(tmp_path / "memory", {"peak": 1.5})
    meta = json.loads((tmp_path / "memory.meta.json").read_text())
    assert meta["sha256"] == results.digest(tmp_path / "memory.json")
    text = report.section("memory", tmp_path)
    assert "| peak | 1.5 |" in text
    # There is no commit where the tests run in a copy without a history
    commit = meta["commit"][:8] if meta["commit"] else "unknown"
    assert f"Stored on {meta['date']} (commit {commit}; python " in text


def test_tasks_resume_and_the_last_line_of_a_name_is_its_result(results, tmp_path):
    first = results.Tasks(tmp_path / "of" / "name")
    first.add("b, 1", {"x": 1.0})
    first.add("a", [2])
    first.add("b, 1", {"x": None})
    again = results.Tasks(tmp_path / "of" / "name")
    assert list(again.items()) == [("a", [2]), ("b, 1", {"x": None})]
    assert "c" not in again


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
