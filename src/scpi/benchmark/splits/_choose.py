"""Choice of the labels to hold out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


def choose(given: Sequence[str] | str | None, there: Sequence[str], what: str) -> list[str]:
    """Names to hold out, by default all; a `ValueError` if one does not exist."""
    if given is None:
        return list(there)
    chosen = [str(name) for name in as_list(given)]
    unknown = [name for name in chosen if name not in there]
    if unknown:
        msg = f"There is no {what} {listed(unknown)} to leave out, only {listed(there)}."
        raise ValueError(msg)
    return chosen


def part_name(part: Sequence[str], number: int, n_parts: int) -> str:
    """Name of the split that holds out a part: its content, if it is the only part."""
    return ", ".join(part) if n_parts == 1 else f"part {number} of {n_parts}"
