"""The file `llms.txt` of the site: what the package is, from `docs/llms.md`, and a list of the pages with their first sentences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

ROOMS = {
    "user_guide": "User guide",
    "tutorials": "Tutorials",
    "benchmarks": "Benchmarks",
    "api": "API",
    "developer": "Developer guide",
}


def entries(app: Sphinx, room: str) -> Iterator[str]:
    """Pages of a part of the site, without the page of every single function."""
    for name in sorted(app.env.found_docs):
        if name.partition("/")[0] != room or "/generated/" in name:
            continue
        first = next(iter(app.env.get_doctree(name).findall(nodes.paragraph)), None)
        text = "" if first is None else re.sub(r"\s+", " ", first.astext())
        sentence = re.split(r"(?<=[.?!]) (?=[A-Z])", text)[0]
        address = app.config.html_baseurl + app.builder.get_target_uri(name)
        yield f"- [{app.env.titles[name].astext()}]({address}): {sentence}"


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the file beside the front page."""
    if error is not None or app.builder.format != "html":
        return
    parts = [(Path(app.srcdir) / "llms.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join([f"## {title}\n", *entries(app, room)]) for room, title in ROOMS.items()]
    (Path(app.outdir) / "llms.txt").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the file when the pages are written."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
