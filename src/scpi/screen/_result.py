"""What a run of the pipeline leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData

    from scpi._screen._split import Split
    from scpi.model import SENAVAE
    from scpi.screen._verdict import Comparison


@dataclass(kw_only=True)
class ScreenResult:
    """What :func:`scpi.screen.run_screen` found."""

    adata: AnnData
    """The screen, log-normalised, with gene sets, activities, tests and the causal graph."""
    predicted: AnnData
    """Predicted cells, with their scores."""
    model: SENAVAE
    """The trained model."""
    scores: pd.DataFrame
    """Scores of each model and perturbation, see :func:`scpi.benchmark.compare_predictions`."""
    averaged: list[str]
    """Conditions that the means are over: those that were scored and change cells, or all if fewer than two do."""
    summary: pd.DataFrame
    """Means, and paired differences from the best baseline, see :func:`scpi.benchmark.summarise`."""
    baseline: str | None
    """Baseline with the largest mean correlation."""
    comparisons: list[Comparison]
    """The model against the best baseline of each metric that the verdict is on."""
    correlation_of_others: float
    """Mean correlation of a measured change with what is predicted for another perturbation."""
    design: list[tuple[str, str]]
    """What was understood of the design: topics and sentences."""
    effects: pd.DataFrame
    """One row for each perturbation: whether it changes cells, in how many, whether its guides agree, how many genes."""
    genes: pd.DataFrame
    """Genes that change, and the first of each perturbation."""
    held_out: list[str]
    """Conditions that no model was trained on; none if single cells were held out."""
    untrained: list[str]
    """Conditions that are predicted not to change, because none of their perturbations has a training cell."""
    split: Split
    """Cells of ``adata`` that models learned from and were tested on."""
    truth: dict[str, Any] | None = None
    """What was planted beside what was found, where the screen holds a planted truth."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know: cells or genes that were left out, baselines that do not apply."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Arguments, versions and times of the run."""
    out: Path | None = None
    """Folder with the files."""
