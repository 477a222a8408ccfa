"""Analyses of a screen, and what is printed of them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from scpi._sequence import as_list
from scpi.cli._say import consoles, records, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from rich.console import Console


def run(
    data: Any,
    gene_sets: Path | Mapping[str, Iterable[str]] | None = None,
    *,
    debug: bool,
    quiet: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Run the pipeline and show its results."""
    from scpi._quiet import quiet_lightning
    from scpi.screen import _tables, run_screen

    progress, shown = consoles(quiet=quiet, as_json=as_json)
    with nullcontext() if debug else quiet_lightning():
        result = run_screen(data, gene_sets, console=progress, **arguments)
    verdict = _tables.verdict(result)
    truth = [] if result.truth is None else [_tables.truth_table(result)]
    _show(shown, result, [_tables.acting(result), _tables.score_table(result), *truth, verdict])
    if as_json:
        effects = {"acting": _tables.acting(result), "held_out": result.held_out, "effects": records(result.effects)}
        say(_as_dict(result, verdict) | effects)


def run_pseudobulk(
    data: Any,
    *,
    changes: bool,
    needing_cells: dict[str, Any],
    debug: bool,
    quiet: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Run the analysis of profiles and show its results."""
    from scpi._mudata import resolve_modality
    from scpi._quiet import quiet_lightning
    from scpi.screen import run_pseudobulk, with_zero_control
    from scpi.screen._pseudobulk_tables import score_table, verdict

    given = [name for name, value in needing_cells.items() if value]
    if given:
        msg = f"{', '.join(given)} need cells, and rows are conditions: leave them out."
        raise ValueError(msg)
    if changes:
        data = with_zero_control(
            resolve_modality(data, arguments.pop("mod")),
            perturbation_key=arguments["perturbation_key"],
            control=as_list(arguments["control"])[0],
            layer=arguments["layer"],
        )
    progress, shown = consoles(quiet=quiet, as_json=as_json)
    with nullcontext() if debug else quiet_lightning():
        result = run_pseudobulk(data, console=progress, **arguments)
    _show(shown, result, [score_table(result), verdict(result)])
    if as_json:
        say(_as_dict(result, verdict(result)) | {"folds": records(result.folds)})


def _show(console: Console, result: Any, parts: list[Any]) -> None:
    """Print notes, then tables and sentences, then where the report is."""
    for note in result.notes:
        console.print(f"Note: {note}", style="dim", highlight=False)
    for part in parts:
        console.print(part, highlight=False)
    console.print(f"Report: {result.out / 'report.html'}", style="bold", highlight=False, soft_wrap=True)


def _as_dict(result: Any, verdict: str) -> dict[str, Any]:
    return {
        "report": str(result.out / "report.html"),
        "verdict": verdict,
        "notes": list(result.notes),
        "summary": records(result.summary.reset_index()),
        "scores": records(result.scores),
    }
