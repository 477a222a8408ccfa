"""The files of a run."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import pandas as pd

from scpi import get
from scpi._keys import Key
from scpi._report._tables import for_spreadsheets
from scpi._run_folder import DOCUMENT
from scpi.screen._report import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData

    from scpi._run_folder import RunFolder
    from scpi.screen._result import ScreenResult

MODEL: Final = "model"
SCREEN: Final = "screen.h5ad"
PREDICTED: Final = "predicted.h5ad"
SCORES: Final = "scores.json"


class Scores(NamedTuple):
    """Scores of the model and the baselines."""

    table: pd.DataFrame
    """One row for each model and perturbation."""
    baselines: list[str]
    """Baselines that apply."""
    notes: list[str]
    """Why the others do not."""


def write_results(result: ScreenResult, folder: RunFolder) -> None:
    """Write the tables, the report and the settings of a run."""
    tables = {
        "scores": result.scores,
        "summary": result.summary,
        **(
            {"differential_activity": get.differential_activity(result.adata)}
            if Key.varm.GENE_SETS in result.adata.varm
            else {}
        ),
        "causal_graph": get.causal_graph(result.adata),
        "effects": result.effects,
        "genes": result.genes,
    }
    run = {
        **result.settings,
        "held_out": result.held_out,
        "notes": result.notes,
        "design": dict(result.design),
        "truth": result.truth,
    }
    for name, table in tables.items():
        folder.keep(f"{name}.csv", partial(for_spreadsheets(table).to_csv, index=False))
    folder.keep("report.html", partial(write_report, result))
    # The last: with it all are complete
    folder.keep(DOCUMENT, lambda path: path.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8"))
    folder.finish([MODEL, SCREEN, PREDICTED, *(f"{name}.csv" for name in tables), "report.html"])


def write_cells(adata: AnnData, path: Path) -> None:
    """Write cells to a compressed h5ad file."""
    adata.write_h5ad(path, compression="gzip")


def write_scores(scores: Scores, path: Path) -> None:
    """Write scores with all their digits."""
    content = scores._asdict() | {"table": scores.table.to_dict(orient="list")}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_scores(path: Path) -> Scores:
    """What :func:`write_scores` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Scores(**content | {"table": pd.DataFrame(content["table"])})
