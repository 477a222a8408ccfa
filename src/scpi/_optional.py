from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str, *, extra: str) -> ModuleType:
    """Import a module that an extra of scpi installs; an `ImportError` names the extra if it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A missing dependency of the module is a different error with a different fix
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        msg = f"This needs the package {error.name!r}, which is not installed: pip install 'scpi[{extra}]'"
        raise ImportError(msg, name=error.name) from error
