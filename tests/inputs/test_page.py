from __future__ import annotations

import pytest

from .page import PAGE, row, rows

KINDS = [kind for kinds in rows().values() for kind in kinds]


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if i % 12 else []) for i, kind in enumerate(KINDS)]
)
def test_the_page_says_what_happens(kind):
    assert row(kind) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_has_all_kinds():
    tables = PAGE.read_text(encoding="utf-8").partition("## The same numbers")[2]
    shown = [line.split(" | ")[0][2:] for line in tables.splitlines() if line[:2] == "| "]
    assert [kind for kind in shown if kind != "kind"] == KINDS
