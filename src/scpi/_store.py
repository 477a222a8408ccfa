"""Results in files, by the fingerprint of what they depend on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._replace import replaced
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LONGEST = 60


def file_stem(*words: object, fingerprint: str) -> str:
    """A name for a file that shows a reader what it is, and is that of one fingerprint alone."""
    readable = "_".join(
        "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in str(w)) for w in words
    )
    return f"{readable[:_LONGEST]}_{fingerprint}"


def read_result(path: Path, fingerprint: str) -> pd.DataFrame | None:
    """A table of scores that was kept, or ``None`` if there is none that can be read.

    The file repeats the fingerprint of all that the result depends on. A warning says if it is not the result with this
    one: it is then computed again.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["made_by"]["fingerprint"] == fingerprint:
            return pd.DataFrame(content["scores"])
        problem = "it is the result of something else"
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        problem = f"{type(error).__name__}: {error}"
    warn_user(f"{str(path)!r} is damaged ({problem}): the result is computed again.")
    return None


def write_result(path: Path, table: pd.DataFrame, made_by: Mapping[str, Any]) -> None:
    """Keep a table of scores, and the model, settings and versions that made it, as JSON can hold them."""
    content = {"made_by": dict(made_by), "scores": table.to_dict(orient="list")}
    with replaced(path) as scratch:
        scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
