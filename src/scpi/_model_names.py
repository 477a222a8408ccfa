"""Names of models that made the same predictions, and count as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_JOIN = " = "
_LONGEST = 24


def joined(models: Iterable[str]) -> str:
    """Name of models that count as one."""
    return _JOIN.join(models)


def brief_name(name: str) -> str:
    """The name for a figure: the first model, and the number of the others where they are many."""
    first, *others = name.split(_JOIN)
    return name if len(name) <= _LONGEST or len(others) < 2 else joined([first, f"{len(others)} others"])


def first_name(name: str) -> str:
    """The first of the models that count as one."""
    return name.split(_JOIN)[0]


def find_model(there: Sequence[str], name: str) -> str:
    """The name under which a table has a model: its own, or that of the models that it is one with."""
    return name if name in there else next((known for known in there if name in known.split(_JOIN)), name)
