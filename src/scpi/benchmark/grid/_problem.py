"""Mistakes in a grid, with the entries that contain them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Problem(ValueError):
    """A mistake in a grid, with the path of its entry."""

    def __init__(self, message: str, *at: str | int, where: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.where = message, at, where

    def __str__(self) -> str:
        places = [part for part in (self.where, ".".join(map(str, self.at))) if part]
        return f"{', '.join(places)}: {self.message}" if places else self.message

    def below(self, *at: str | int) -> Problem:
        """The same mistake, with the entries above its entry."""
        return Problem(self.message, *at, *self.at, where=self.where)

    def in_file(self, name: str, lines: Mapping[tuple[str | int, ...], int]) -> Problem:
        """The same mistake, with the line of the entry, or of the one above it."""
        found = [lines[self.at[:n]] for n in range(len(self.at), -1, -1) if self.at[:n] in lines]
        return Problem(self.message, *self.at, where=f"{name}, line {found[0]}" if found else name)


def check_choice(value: Any, choices: Iterable[str], what: str, *at: str | int) -> None:
    """Refuse an unknown name, and suggest the closest known one."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return
    close = difflib.get_close_matches(str(value), known, 1)
    raise Problem(f"unknown {what} {value!r}{f', did you mean {close[0]!r}?' if close else ''} Known: {known}.", *at)


def check_type(value: Any, kinds: type | tuple[type, ...], what: str, *at: str | int) -> None:
    """Refuse a value of another type; a truth value is not a number."""
    allowed = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise Problem(f"must be {what}, but is {value!r}.", *at)


def check_plain(value: Any, *at: str | int) -> None:
    """Refuse values that another process could not read from the plan: all but numbers, text, lists and mappings."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_type(key, str, "a name", *at, str(key))
            check_plain(item, *at, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, item in enumerate(value):
            check_plain(item, *at, place)
    elif value is not None and not isinstance(value, bool | int | float | str):
        raise Problem(
            f"is of type {type(value).__name__}: the settings of a grid are numbers, text, lists and mappings.", *at
        )


def plain(value: Any) -> Any:
    """Plain data as JSON has it: lists of tuples, dictionaries of mappings."""
    return json.loads(json.dumps(value, default=dict))
