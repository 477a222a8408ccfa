"""The files of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from scpi import get
from scpi._replace import replaced
from scpi.screen._report import write_report

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from scpi.screen._result import ScreenResult

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """A table in which no text is a formula for a spreadsheet: what begins like one gets a single quote before it."""

    def quoted(value: Any) -> Any:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    texts = table.select_dtypes(exclude=["number", "bool"]).columns
    return table.assign(**{name: [quoted(value) for value in table[name]] for name in texts})


def write_results(result: ScreenResult, out: Path) -> None:
    """Write all files of a run into a folder, in exchange for those of an earlier one: all of them, or none."""
    tables = {
        "scores": result.scores,
        "summary": result.summary,
        "differential_activity": get.differential_activity(result.adata),
        "causal_graph": get.causal_graph(result.adata),
    }
    run = {**result.settings, "held_out": result.held_out, "notes": result.notes, "truth": result.truth}
    with replaced(out, (), "run.json") as folder:
        result.adata.write_h5ad(folder / "screen.h5ad", compression="gzip")
        result.predicted.write_h5ad(folder / "predicted.h5ad", compression="gzip")
        result.model.save(str(folder / "model"), overwrite=True)
        for name, table in tables.items():
            for_spreadsheets(table).to_csv(folder / f"{name}.csv", index=False)
        (folder / "run.json").write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        write_report(result, folder / "report.html")
