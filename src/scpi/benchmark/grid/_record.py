"""Records of plain data, whose mistakes are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar

from scpi.benchmark.grid._problem import Problem, check_choice, check_type

T = TypeVar("T")


def built(cls: type[T], value: Any, *at: str | int) -> T:
    """A record of the entries of a mapping; a `Problem` names one that is wrong, with its path."""
    if isinstance(value, cls):
        return value
    check_type(value, Mapping, "a mapping of names and values", *at)
    known = {one.name: one for one in fields(cls)}  # type: ignore[arg-type]
    for key in value:
        check_choice(key, known, "entry", *at, str(key))
    for name, one in known.items():
        if name not in value and one.default is MISSING and one.default_factory is MISSING:
            raise Problem(f"has no entry {name!r}.", *at)
    try:
        return cls(**value)
    except Problem as problem:
        raise problem.below(*at) from None


def without_defaults(value: Any) -> Any:
    """Entries of a record, and of records in it, that are not as they would be if they were not given."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: without_defaults(getattr(value, one.name))
            for one in fields(value)
            if getattr(value, one.name) != (one.default if one.default_factory is MISSING else one.default_factory())
        }
    if isinstance(value, Mapping):
        return {key: without_defaults(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_defaults(item) for item in value]
    return value
