"""Namespaces that import their contents on first use."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def attach(
    package: str, attributes: Mapping[str, str], *, submodules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build the module-level hooks of a lazy package.

    A package assigns the three results to ``__getattr__``, ``__dir__`` and ``__all__``. It repeats the names as
    ``from ... import name as name`` under ``if TYPE_CHECKING:`` so that type checkers and editors see them as well.

    Parameters
    ----------
    package
        Name of the calling package: its ``__name__``.
    attributes
        Mapping from public name to the module that defines it, relative to ``package``, such as ``{"gene_sets":
        "_gene_sets"}``.
    submodules
        Public modules of the package, such as ``"tl"``.

    Returns
    -------
    The functions ``__getattr__`` and ``__dir__``, and the sorted list ``__all__``.
    """
    modules = frozenset(submodules)
    public = sorted({*attributes, *modules})

    def __getattr__(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in attributes:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = getattr(import_module(f"{package}.{attributes[name]}"), name)
        # The next look-up finds the object itself and does not call this function.
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *public})

    return __getattr__, __dir__, public
