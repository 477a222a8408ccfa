"""Tables of committed benchmark results."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re

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
def summary(project):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(project / "benchmarks")
        return importlib.import_module("summary")


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


@pytest.fixture(scope="module")
def pages(project):
    """Pages of the benchmarks, by name."""
    return {path.stem: path.read_text(encoding="utf-8") for path in (project / "docs" / "benchmarks").glob("*.md")}


def test_the_pages_ask_for_every_result_once(report, pages):
    asked = re.findall(r"\{\{ benchmark: (\w+) \}\}", "".join(pages.values()))
    assert sorted(asked) == sorted(report.SECTIONS)


def test_every_stored_result_is_shown_in_its_own_way(report):
    for name, show in report.SECTIONS.items():
        path = report.RESULTS / f"{name}.json"
        if path.is_file():
            assert "|" in show(json.loads(path.read_text(encoding="utf-8")))


def test_every_section_starts_with_its_verdict(pages):
    for text in pages.values():
        for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
            assert re.match(r"\s+\*\*Verdict\.\*\* .+\.$", part, flags=re.MULTILINE)


def test_every_page_of_benchmarks_is_listed(project, pages):
    listed = re.findall(r"^benchmarks/(\w+)$", (project / "docs" / "benchmarks.md").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(pages)


def test_the_summary_has_the_figures_of_the_results(summary, pages, report):
    row = {name: finding.figures() for name, finding in summary.FINDINGS.items()}
    rows = json.loads((report.RESULTS / "predict_contexts.json").read_text(encoding="utf-8"))["gbm"]["summary"]
    scores = {of["model"]: of["mean"] for of in rows if of["metric"] == "pearson" and of["mean"] is not None}
    best = max(scores.keys() - summary.CEILINGS, key=scores.get)
    assert row["patient"].best == best
    assert row["patient"].figure.startswith(f"{scores[best]:.3g} (")
    assert row["patient"].baseline == f"WeightedDelta {scores['WeightedDelta']:.3g}"
    assert summary.summary().count("\n") == len(summary.FINDINGS) + 1
    # Every task leads to a section
    text = "".join(pages.values())
    assert [of.section for of in summary.FINDINGS.values() if f"({of.section})=\n\n## " not in text] == []


def test_the_best_model_is_neither_a_ceiling_nor_without_a_score(summary):
    def row(model, mean):
        return {"model": model, "metric": "m", "mean": mean, "mean_low": 0.1, "mean_high": 0.9}

    rows = [row("a", 0.5), row("b", 0.75), row("split-half ceiling", 0.8), row("c", None)]
    assert summary.of_models(rows, "m", "a") == ("b", "0.75 (0.1 to 0.9)", "a 0.5")
    assert summary.of_models(rows, "m", "b", least=True) == ("a", "0.5 (0.1 to 0.9)", "b 0.75")


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
