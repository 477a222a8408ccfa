"""The HTML report: one file, without a request to anywhere."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from scpi import get
from scpi._keys import Key
from scpi._report._render import as_frame, as_gene_table, render
from scpi._screen._labels import Labelling
from scpi.screen._figures import draw_figures
from scpi.screen._methods import methods
from scpi.screen._tables import (
    acting,
    comparison_rows,
    perturbation_scores,
    questions,
    score_header,
    score_rows,
    scored,
    truth_lines,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from scpi.screen._result import ScreenResult

_N_SETS = 5


def write_report(result: ScreenResult, path: Path) -> None:
    """Write the report of a run to a file."""
    render("scpi.screen", "report.html", path, **_context(result))


def _context(result: ScreenResult) -> dict[str, Any]:
    """Everything that the template shows."""
    adata, settings = result.adata, result.settings
    # The control as it was given may be a list; the cells have its canonical name
    key, control = settings["perturbation_key"], Labelling.of(settings["control"], settings["delimiter"]).control
    counts = adata.obs[key].value_counts()
    n_conditions = int((counts.drop(control) > 0).sum())
    has_sets = Key.varm.GENE_SETS in adata.varm
    truth, genes = truth_lines(result), _genes(result)
    return {
        "title": settings["title"],
        "date": datetime.datetime.now(tz=datetime.UTC).strftime("%d %B %Y"),
        "versions": settings["versions"],
        "verdict": acting(result),
        "tiles": [
            (f"{adata.n_obs:,}", "cells"),
            (f"{int(counts[control]):,}", "of them control"),
            (f"{adata.n_vars:,}", "genes"),
            *([(f"{adata.varm[Key.varm.GENE_SETS].shape[1]:,}", "gene sets")] if has_sets else []),
            (f"{n_conditions:,}", "conditions"),
            (f"{len(result.held_out):,}", "held out"),
        ],
        "contents": [
            ("design", "Design"),
            ("predictions", "Predictions"),
            *([("truth", "Planted and found")] if truth else []),
            ("figures", "Figures"),
            *([("genes", "Genes")] if genes["rows"] else []),
            ("tables", "Tables"),
            ("methods", "Methods"),
            ("settings", "Settings"),
        ],
        "questions": questions(result),
        "design": result.design,
        "scored": scored(result),
        "comparisons": comparison_rows(result),
        "genes": genes,
        "methods": methods(result),
        "notes": result.notes,
        "held_out": result.held_out,
        "has_sets": has_sets,
        "score_header": score_header(result),
        "score_rows": score_rows(result),
        "with_difference": "difference" in result.summary,
        "truth": truth,
        "figures": draw_figures(result),
        "tables": [
            (
                "Correlation for each perturbation, those without an effect included",
                as_frame(perturbation_scores(result)),
            ),
            *([(f"First {_N_SETS} gene sets of each perturbation", as_frame(_top_sets(result)))] if has_sets else []),
            ("Effects of the perturbations", as_frame(result.effects)),
            ("Targets of the perturbations", as_frame(_with_sets(adata, get.intervention_targets(adata), "factor"))),
            (
                "Strongest edges of the causal graph",
                as_frame(_with_sets(adata, get.causal_graph(adata, top_n=25), "source", "target")),
            ),
        ],
        "settings": settings_rows(settings),
    }


def settings_rows(settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Settings that say something, but for those that stand elsewhere in the report."""
    return [
        (name, value)
        for name, value in settings.items()
        if name not in {"versions", "title"} and value not in (None, [], {}, "")
    ]


def _top_sets(result: ScreenResult) -> pd.DataFrame:
    table = get.differential_activity(result.adata, top_n=_N_SETS)
    return table[["group", "rank", "set", "effect", "score", "pval_adj"]]


def _with_sets(adata: AnnData, table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Factors named by their number, as in the figures, and the first of their gene sets, or else of their perturbations."""
    factors = adata.uns[Key.uns.CAUSAL_GRAPH]["factors"]
    names = {}
    for row in factors.itertuples():
        number = str(row.factor).removeprefix("factor_")
        first = str(row.top_sets).split(";")[0] or str(row.targets).split(";")[0]
        names[str(row.factor)] = f"{number} ({first})" if first else number
    return table.assign(**{column: [names.get(str(value), value) for value in table[column]] for column in columns})


def _genes(result: ScreenResult) -> dict[str, Any]:
    """The first genes of all perturbations, by their p-value, as the page searches them."""
    return as_gene_table(
        result.genes.sort_values(["pval_adj", "pval"], kind="stable"),
        caption="Genes that change at a false discovery rate of 5 %, over all perturbations and genes, and the first 20 of "
        "each perturbation.",
        file="genes.csv",
    )
