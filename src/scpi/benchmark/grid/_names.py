"""Classes and functions by names that another process can look up."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from scpi.benchmark.grid._problem import Problem, check_choice


def name_of(value: Any, room: str, what: str, *at: str | int) -> str:
    """Name of a class or function: that in the room of scpi, or ``package.module:name``.

    A name is checked and returned unchanged. Raises a `Problem` if the name is unknown, or if other processes cannot import it.
    """
    module = importlib.import_module(room)
    if isinstance(value, str):
        if ":" not in value:
            check_choice(value, module.__all__, what, *at)
        return value
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        raise Problem(f"must be a {what} or its name, but is {value!r}.", *at)
    name = value.__qualname__
    if name in module.__all__ and getattr(module, name) is value:
        return str(name)
    if value.__module__ == "__main__" or "<" in name:
        msg = f"is {name}, which other processes cannot import: put it into a module and name it 'module:{name}'."
        raise Problem(msg, *at)
    return f"{value.__module__}:{name}"


def look_up(name: str, room: str) -> Any:
    """The class or function of a name; an `ImportError` or `AttributeError` if there is none."""
    module, _, attribute = name.rpartition(":")
    value: Any = importlib.import_module(module or room)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
