"""Trainings and setups without what Lightning, scvi-tools and scpi say about each of them."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scpi._settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIGHTNING = ("lightning", "lightning.pytorch", "lightning.fabric")


@contextmanager
def _at_least(levels: dict[str, int]) -> Iterator[None]:
    """Give loggers a level that is not below these; their own come back."""
    before = {name: logging.getLogger(name).level for name in levels}
    try:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(max(level, before[name]))
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def calm_lightning() -> Iterator[None]:
    """Keep the banner, tips and warnings of Lightning off the screen; all are shown if the verbosity of scpi is "debug"."""
    if settings.verbosity == "debug":
        yield
        return
    # It sets its level when it is imported
    import lightning.pytorch  # noqa: F401

    with _at_least(dict.fromkeys(_LIGHTNING, logging.ERROR)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\b")
        yield


@contextmanager
def quiet_transfer() -> Iterator[None]:
    """Keep the note of scvi-tools off that new cells are set up; it is shown if the verbosity of scpi is "debug"."""
    with _at_least({} if settings.verbosity == "debug" else {"scvi": logging.WARNING}):
        yield


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """As :func:`calm_lightning`, and notes of scpi are off, too."""
    with calm_lightning(), _at_least({"scpi": logging.WARNING}):
        yield
