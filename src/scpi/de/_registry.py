"""Registry of the tests of `scpi.de.rank_genes`: every file of `scpi.de._tests` that defines `METHOD`."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from scpi._slots import listed
from scpi.de import _tests
from scpi.de._tests._method import Method


@cache
def registered() -> dict[str, Method]:
    """All tests by name."""
    modules = (import_module(f"{_tests.__name__}.{module.name}") for module in iter_modules(_tests.__path__))
    found = [module.METHOD for module in modules if isinstance(getattr(module, "METHOD", None), Method)]
    return {method.name: method for method in sorted(found, key=lambda method: method.name)}


def find(name: str) -> Method:
    """Find a test by name; an error lists the available ones."""
    methods = registered()
    if name not in methods:
        msg = f"`method` must be one of {listed(methods)}, but is {name!r}."
        raise ValueError(msg)
    return methods[name]
