"""Divisions of cells into those to learn from and those to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scpi._lazy import attach

if TYPE_CHECKING:
    from scpi._screen._split import Split as Split
    from scpi.benchmark.splits._leave_combinations_out import leave_combinations_out as leave_combinations_out
    from scpi.benchmark.splits._leave_context_out import leave_context_out as leave_context_out
    from scpi.benchmark.splits._leave_doses_out import leave_doses_out as leave_doses_out
    from scpi.benchmark.splits._random_cells import random_cells as random_cells

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Split": ".._screen._split",
        "leave_combinations_out": "_leave_combinations_out",
        "leave_context_out": "_leave_context_out",
        "leave_doses_out": "_leave_doses_out",
        "random_cells": "_random_cells",
    },
)
