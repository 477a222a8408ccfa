"""The gallery has every figure; building the documentation runs its code."""

from __future__ import annotations

import re

import pytest

import scpi

BLOCK = re.compile(r"^```\{eval-rst\}\n\.\. plot::\n((?: +:[^\n]*\n)*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(project):
    return (project / "docs" / "gallery.md").read_text(encoding="utf-8")


def test_every_figure_has_a_heading_code_and_a_link(page):
    figures = re.split(r"^### (\w+)$", page, flags=re.MULTILINE)[1:]
    names, texts = figures[::2], figures[1::2]
    assert sorted(names) == sorted(scpi.pl.__all__)
    for name, text in zip(names, texts, strict=True):
        assert f"{{func}}`scpi.pl.{name}`" in text
        options, code = BLOCK.search(text).groups()
        assert options.split()[:5] == [":context:", "close-figs", ":filename-prefix:", name, ":alt:"]
        assert code.splitlines()[-1].strip().startswith(f"scpi.pl.{name}(")


def test_every_part_starts_with_what_it_needs(page):
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    for part in parts:
        options, code = BLOCK.search(part).groups()
        assert options.split() == [":context:", "reset", ":nofigs:"]
        assert "import scpi\n" in code
    assert len(BLOCK.findall(page)) == len(parts) + len(scpi.pl.__all__) == page.count(".. plot::")
