from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str) -> ModuleType:
    """Import a module of a package that an extra of scpi installs; an `ImportError` names the package if it is missing."""
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A missing dependency of the module is a different error with a different fix
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        # Not an extra of scpi: its name on the package index belongs to another library
        msg = f"This needs the package {package!r}, which is not installed: pip install {package}"
        raise ImportError(msg, name=package) from error
