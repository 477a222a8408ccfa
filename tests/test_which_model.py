"""The page that recommends models has no figures of its own."""

from __future__ import annotations

import re

import scpi

FIGURE = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


def test_every_figure_stands_on_the_page_of_benchmarks(project):
    page = (project / "docs" / "user_guide" / "which_model.md").read_text(encoding="utf-8")
    known = set(FIGURE.findall((project / "docs" / "benchmarks.md").read_text(encoding="utf-8")))
    found = FIGURE.findall(page)
    assert len(found) > 20
    assert [figure for figure in found if figure not in known] == []


def test_what_is_recommended_exists(project):
    page = (project / "docs" / "user_guide" / "which_model.md").read_text(encoding="utf-8")
    for name in re.findall(r"\{(?:class|func)\}`~?scpi\.([\w.]+)`", page):
        found = scpi
        for part in name.split("."):
            found = getattr(found, part)
        assert callable(found)
    methods = set(scpi.model.ConditionModel.methods().index)
    named = set(re.findall(r'"(\w+)"', page))
    assert named
    assert named <= methods
