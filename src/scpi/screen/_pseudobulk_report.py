"""The report and the files of a run on profiles."""

from __future__ import annotations

import datetime
import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from scpi._report._figures import comparison_figure, encode_figures
from scpi._report._render import as_frame, render
from scpi._report._tables import for_spreadsheets
from scpi._run_folder import DOCUMENT
from scpi._scoring._noise_ceiling import PERFECT
from scpi._screen._labels import Labelling
from scpi.screen._pseudobulk_tables import (
    fold_rows,
    methods,
    questions,
    ranking_rows,
    score_header,
    score_rows,
    scored,
    verdict,
)
from scpi.screen._report import settings_rows
from scpi.screen._write import PREDICTED, write_cells

if TYPE_CHECKING:
    from scpi._run_folder import RunFolder
    from scpi.screen._pseudobulk_result import PseudobulkResult

PROFILES: Final = "profiles.h5ad"
_BY = ("context", "perturbation", "dose")


def write_pseudobulk(result: PseudobulkResult, folder: RunFolder) -> None:
    """Write the profiles, the tables, the report and the settings of a run."""
    tables = {"scores": result.scores, "summary": result.summary, "folds": result.folds}
    cells = {PROFILES: result.adata} | ({} if result.predicted is None else {PREDICTED: result.predicted})
    run = {**result.settings, "held_out": result.held_out, "notes": result.notes, "design": dict(result.design)}
    for name, adata in cells.items():
        folder.keep(name, partial(write_cells, adata))
    for name, table in tables.items():
        folder.keep(f"{name}.csv", partial(for_spreadsheets(table).to_csv, index=False))
    folder.keep("report.html", lambda path: render("scpi.screen", "pseudobulk.html", path, **_context(result)))
    # The last: with it all are complete
    folder.keep(DOCUMENT, lambda path: path.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8"))
    folder.finish([*cells, *(f"{name}.csv" for name in tables), "report.html"])


def _context(result: PseudobulkResult) -> dict[str, Any]:
    """Everything that the template shows."""
    settings = result.settings
    labelling = Labelling.of(settings["control"], settings["delimiter"])
    labels = [label for label in result.adata.obs[settings["perturbation_key"]].unique() if label != labelling.control]
    n_combined = sum(map(labelling.is_combination, labels))
    header, rows = fold_rows(result)
    return {
        "title": settings["title"],
        "date": datetime.datetime.now(tz=datetime.UTC).strftime("%d %B %Y"),
        "versions": settings["versions"],
        "verdict": verdict(result),
        "tiles": [
            (f"{result.adata.n_obs:,}", "profiles"),
            (f"{len(labels) - n_combined:,}", "perturbations"),
            (f"{n_combined:,}", "combinations"),
            (f"{result.adata.n_vars:,}", "genes"),
            (f"{len(result.held_out):,}", "held out"),
            (f"{result.scores['split'].nunique():,}", "folds"),
        ],
        "contents": [
            ("design", "Design"),
            ("predictions", "Predictions"),
            ("figures", "Figures"),
            ("tables", "Tables"),
            ("methods", "Methods"),
            ("settings", "Settings"),
        ],
        "questions": questions(result),
        "design": result.design,
        "notes": result.notes,
        "scored": scored(result),
        "rankings": ranking_rows(result),
        "score_header": score_header(result),
        "score_rows": score_rows(result),
        "fold_header": header,
        "fold_rows": rows,
        "predicted": result.predicted is not None,
        "methods": methods(result),
        "figures": encode_figures(
            [
                (
                    "Baselines",
                    "Correlation of predicted and measured change, one dot per combination. Bars are means. On grey one half of the "
                    "cells against the other, where there are halves or replicates.",
                    lambda: comparison_figure(result.scores, by=_BY),
                ),
                (
                    "Baselines, against the other perturbations",
                    "The same of changes against the mean of all perturbed training conditions, which no prediction that is the same for "
                    "all conditions can have.",
                    lambda: comparison_figure(result.scores, metric="pearson_perturbed", by=_BY),
                ),
            ]
        ),
        "tables": [("Correlation for each combination", as_frame(_by_condition(result)))],
        "settings": settings_rows(settings),
    }


def _by_condition(result: PseudobulkResult) -> Any:
    """Correlation of every baseline for each condition, a row each."""
    scores = result.scores[result.scores["model"] != PERFECT]
    keys = ["perturbation", *(name for name in ("context", "dose") if scores[name].nunique() > 1), "split"]
    wide = scores.pivot(index=keys, columns="model", values="pearson")
    return wide[list(scores["model"].unique())].reset_index().rename(columns={"split": "fold"})
