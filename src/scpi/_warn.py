from __future__ import annotations

import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parent)


class DataWarning(UserWarning):
    """Warning about the user's data, which commands show; warnings of dependencies they do not."""


def warn_user(message: str) -> None:
    """Warn about the user's data, with the location of the call to scpi."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, DataWarning, stacklevel=level)
