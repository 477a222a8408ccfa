"""From a screen to trained models, scored predictions, a causal graph and a report, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.screen._read import read_screen as read_screen
    from scpi.screen._result import ScreenResult as ScreenResult
    from scpi.screen._run import run_screen as run_screen

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"ScreenResult": "_result", "read_screen": "_read", "run_screen": "_run"},
)
