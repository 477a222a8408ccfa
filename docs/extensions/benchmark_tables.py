"""Tables of the committed results: `{{ benchmark: name }}`, `{{ summary }}` and, within a line, `{{ finding: name }}`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PLACE = re.compile(r"\{\{ (benchmark|summary|finding)(?:: (\w+))? \}\}")


def fill_in(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the tables in their places."""
    if not PLACE.search(source[0]):
        return
    import report
    import summary

    for path in report.RESULTS.glob("*.json"):
        app.env.note_dependency(str(path))
    write = {"benchmark": report.section, "summary": lambda _: summary.summary(), "finding": summary.finding}
    source[0] = PLACE.sub(lambda match: write[match[1]](match[2]), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Read pages with their tables."""
    sys.path.append(str(BENCHMARKS))
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}
