"""What a run on profiles of conditions leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData


class Ranking(NamedTuple):
    """The baselines in one metric."""

    metric: str
    best: str
    """The best baseline, and those that make the same predictions."""
    mean: float
    perfect: float
    """What a perfect prediction would score; NaN where that is not known."""
    level: list[str]
    """Baselines whose paired difference from the best has a 95 % interval that holds 0."""
    behind: list[str]
    """The others."""


@dataclass(kw_only=True)
class PseudobulkResult:
    """What :func:`scpi.screen.run_pseudobulk` found."""

    adata: AnnData
    """The profiles, on a log scale or as changes, with canonical labels."""
    scores: pd.DataFrame
    """Scores of each baseline, fold and condition, see :func:`scpi.benchmark.evaluate`."""
    summary: pd.DataFrame
    """Means, and paired differences from the best baseline, see :func:`scpi.benchmark.summarise`."""
    folds: pd.DataFrame
    """Means by fold, see :func:`scpi.benchmark.fold_table`."""
    baseline: str
    """Baseline with the largest mean correlation."""
    rankings: list[Ranking]
    """The baselines in each metric of the verdict."""
    predicted: AnnData | None
    """Predicted profiles of the conditions that were asked for, by every baseline, trained on all profiles."""
    held_out: list[str]
    """Conditions that were held out, and predicted."""
    design: list[tuple[str, str]]
    """What was understood of the design: topics and sentences."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know: what was left out, and why."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Arguments, versions and times of the run."""
    out: Path | None = None
    """Folder with the files."""
