"""Public screens, downloaded and checked, and simulated ones whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi.datasets._causal_screen import causal_screen as causal_screen
    from scpi.datasets._plant_screen import plant_screen as plant_screen

__getattr__, __dir__, __all__ = attach(__name__, {"causal_screen": "_causal_screen", "plant_screen": "_plant_screen"})
