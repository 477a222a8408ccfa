"""The page that recommends methods has no figures of its own: they come from the stored results."""

from __future__ import annotations

import importlib
import re

import pytest

import scpi


@pytest.fixture
def page(project):
    return (project / "docs" / "user_guide" / "which_model.md").read_text(encoding="utf-8")


@pytest.fixture
def summary(project, monkeypatch):
    monkeypatch.syspath_prepend(project / "benchmarks")
    return importlib.import_module("summary")


def test_no_figure_is_typed(page):
    assert re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", page) == []


def test_every_task_has_a_call_a_figure_and_limits(page, summary):
    tasks = re.split(r"^### .*$", page, flags=re.MULTILINE)[1:]
    assert len(tasks) > 15
    for task in tasks:
        assert re.findall(r"^- \*\*(\w+):\*\*", task, flags=re.MULTILINE) == [
            "Call",
            "Alternative",
            "Benchmarks",
            "Limits",
        ]
    named = re.findall(r"\{\{ finding: (\w+) \}\}", page)
    assert set(named) <= summary.FINDINGS.keys()
    assert len(named) > 20
    assert page.count("{{ finding:") == len(named)


def test_what_is_recommended_exists(page):
    for name in re.findall(r"\{(?:class|func)\}`~?scpi\.([\w.]+)`", page):
        found = scpi
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found)
    methods = set(scpi.model.ConditionModel.methods().index)
    named = set(re.findall(r'`"(\w+)"`', page))
    assert named
    assert named <= methods
