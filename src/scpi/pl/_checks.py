"""Checks of the arguments of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_choice(name: str, value: str | None, choices: Iterable[str], *, optional: bool = False) -> None:
    """Raise a `ValueError` if an argument is none of the choices, nor `None` if it is optional."""
    choices = list(choices)
    if value not in choices and not (optional and value is None):
        msg = f"`{name}` must be {'None or ' if optional else ''}one of {listed(choices)}, but is {value!r}."
        raise ValueError(msg)


def check_at_least_one(**numbers: int | None) -> None:
    """Raise a `ValueError` if a number is below 1; `None` is a number that is not given."""
    for name, value in numbers.items():
        if value is not None and value < 1:
            msg = f"`{name}` must be at least 1, but is {value}."
            raise ValueError(msg)
