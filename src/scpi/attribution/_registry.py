"""Registry of the methods of attribution: every file of `scpi.attribution._methods` that defines `METHOD`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from scpi._slots import listed
from scpi.attribution import _methods
from scpi.attribution._methods._method import Method


@cache
def registered() -> dict[str, Method]:
    """Collect all methods by name."""
    modules = (import_module(f"{_methods.__name__}.{module.name}") for module in iter_modules(_methods.__path__))
    found = [module.METHOD for module in modules if isinstance(getattr(module, "METHOD", None), Method)]
    return {method.name: method for method in sorted(found, key=lambda method: method.name)}


def find(name: str, options: dict[str, object]) -> Method:
    """Find the method with this name and these options, or raise an error that lists the known ones."""
    methods = registered()
    if name not in methods:
        msg = f"`method` must be one of {listed(methods)}, but is {name!r}."
        raise ValueError(msg)
    method = methods[name]
    unknown = [option for option in options if option not in method.options]
    if unknown:
        msg = f"{name!r} has no option {listed(unknown)}, only {listed(method.options)}."
        raise TypeError(msg)
    return method
