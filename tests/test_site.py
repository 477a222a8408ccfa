"""What the pages of the site are made from."""

from __future__ import annotations

import importlib
import re
from importlib import import_module

import pytest


@pytest.fixture
def see_also(project, monkeypatch):
    monkeypatch.syspath_prepend(project / "docs" / "extensions")
    return importlib.import_module("see_also")


def test_every_name_of_the_table_of_references_is_public(see_also):
    names = {*see_also.RELATED, *(name for names in see_also.RELATED.values() for name in names)}
    missing = [name for name in names if name.split(".")[1] not in import_module(f"scpi.{name.split('.')[0]}").__all__]
    assert missing == []


def test_references_are_of_one_name_of_the_table_and_back(see_also):
    assert see_also.related("pl.causal_graph") == ["tl.causal_graph", "get.causal_graph"]
    assert see_also.related("tl.consensus_programs") == ["get.programs", "pl.program", "model.GeneProgramAE"]
    assert see_also.related("metrics.rmse") == []


def test_the_page_that_mentions_a_name_most_is_found(see_also):
    assert see_also.guide("model.SCPREGAN") == [":doc:`SCPREGAN </user_guide/scpregan>`"]
    assert see_also.guide("tl.no_such_function") == []


def test_the_guide_lists_every_page_in_one_group_with_a_line(project):
    folder = project / "docs" / "user_guide"
    text = (folder / "index.md").read_text(encoding="utf-8")
    pages = sorted(path.stem for path in folder.glob("*.md") if path.stem != "index")
    assert sorted(re.findall(r"^(\w+)$", text, flags=re.MULTILINE)) == pages
    assert sorted(re.findall(r"^- \{doc\}`(\w+)`: \S", text, flags=re.MULTILINE)) == pages
    groups = re.findall(r'^:caption: "?(.*?)"?$', text, flags=re.MULTILINE)
    assert groups == re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
