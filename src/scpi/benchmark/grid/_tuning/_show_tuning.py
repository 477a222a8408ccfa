"""Command line output of tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpi.benchmark.grid._tuning._tuning_result import TuningResult


def tuning_lines(found: TuningResult) -> Iterator[str]:
    """Best settings, and the next commands."""
    for one in found.studies:
        counts = ", ".join(f"{n:,} {state}" for state, n in one.counts.items() if n)
        yield f"{one.model}, {one.data}, {one.scheme} without {one.split}: {counts}."
        if not one.front:
            yield f"    no setting has a value: see `scpi benchmark status {found.out}` and optuna-dashboard for the reasons"
            continue
        best = one.front[0]
        values = ", ".join(f"{name} {value:.4g}" for name, value in best["values"].items())
        settings = ", ".join(f"{name}={_short(value)}" for name, value in best["settings"].items())
        more = f", one of {len(one.front)} Pareto-optimal settings" if len(one.front) > 1 else ""
        yield f"    best{more}: {settings}: {values}"
    yield f"Tuned models: scpi benchmark run {found.file}"
    yield f"All settings: optuna-dashboard {found.storage}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
