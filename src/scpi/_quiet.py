"""Trainings without what Lightning says about itself, and scpi about each setup."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEVELS = {
    "lightning": logging.ERROR,
    "lightning.pytorch": logging.ERROR,
    "lightning.fabric": logging.ERROR,
    "scpi": logging.WARNING,
}


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep the banner and the warnings of Lightning, and notes of scpi, off the screen; levels and filters come back."""
    # It sets its level when it is imported
    import lightning.pytorch  # noqa: F401

    levels = {name: logging.getLogger(name).level for name in _LEVELS}
    try:
        for name, level in _LEVELS.items():
            logging.getLogger(name).setLevel(max(level, levels[name]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\b")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
