"""What to leave out, of what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


def choose(given: Sequence[str] | str | None, there: Sequence[str], what: str) -> list[str]:
    """Items to leave out: all if none were named; every one that was named must exist.

    Parameters
    ----------
    given
        Names to leave out; a string is one name.
    there
        Names that the data has.
    what
        What an item is, for the message.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    if given is None:
        return list(there)
    chosen = [str(name) for name in as_list(given)]
    unknown = [name for name in chosen if name not in there]
    if unknown:
        msg = f"There is no {what} {listed(unknown)} to leave out, only {listed(there)}."
        raise ValueError(msg)
    return chosen
