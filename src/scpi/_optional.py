from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str, *, extra: str) -> ModuleType:
    """Import a module that only an extra of scpi installs.

    Parameters
    ----------
    module
        Dotted name of the module.
    extra
        Extra of scpi that brings it.

    Returns
    -------
    The imported module.

    Raises
    ------
    ImportError
        If the module is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A dependency of the module that is missing is another fault, with another cure.
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        msg = f"This needs the package {error.name!r}, which is not installed: pip install 'scpi[{extra}]'"
        raise ImportError(msg, name=error.name) from error
