"""The design of a screen: which columns of the cells mean what, and what was understood of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scpi._screen._labels import Labelling

_FEW = 4


@dataclass(frozen=True, kw_only=True)
class Design:
    """Columns of ``obs`` that describe the cells of a screen; ``None`` where there is none."""

    perturbation_key: str
    batch_key: str | None = None
    sample_key: str | None = None
    context_key: str | None = None
    guide_key: str | None = None
    dose_key: str | None = None
    size_factor_key: str | None = None

    @property
    def setup(self) -> dict[str, str]:
        """Columns that models are set up with."""
        columns = {
            "batch_key": self.batch_key,
            "context_key": self.context_key,
            "dose_key": self.dose_key,
            "size_factor_key": self.size_factor_key,
        }
        return {name: column for name, column in columns.items() if column is not None}

    @property
    def required(self) -> list[str]:
        """Columns in which every cell needs a value, besides its label."""
        columns = (self.batch_key, self.sample_key, self.context_key, self.size_factor_key)
        return [column for column in columns if column is not None]

    @property
    def names(self) -> list[str]:
        """Columns with names, of a level each."""
        columns = (self.batch_key, self.sample_key, self.context_key, self.guide_key)
        return [column for column in columns if column is not None]

    @property
    def blocks(self) -> str | None:
        """Column within which cells are compared: the batch, else the sample."""
        return self.batch_key or self.sample_key

    def columns(self) -> dict[str, str]:
        """Columns by the argument that names them."""
        return {name: value for name, value in vars(self).items() if value is not None}


def describe_design(adata: AnnData, design: Design, labelling: Labelling) -> list[tuple[str, str]]:
    """What was understood of a screen, as pairs of a topic and a sentence."""
    labels = adata.obs[design.perturbation_key].astype(str)
    counts = labels.value_counts()
    control = int(counts.get(labelling.control, 0))
    conditions = counts.drop(labelling.control, errors="ignore")
    combined = [label for label in conditions.index if labelling.is_combination(label)]
    rows = [
        (
            "Conditions",
            f"{control:,} control cells ({labelling.control!r}), {len(conditions) - len(combined):,} perturbations and "
            f"{len(combined):,} combinations, of {_span(conditions)} cells.",
        )
    ]
    rows.append(("Replicates", _replicates(adata.obs, design, labelling)))
    if design.guide_key:
        rows.append(("Guides", _guides(adata.obs, design, labelling)))
    if design.batch_key:
        rows.append(("Batches", f"{_levels(adata.obs[design.batch_key])}. Cells are compared within a batch."))
    if design.context_key:
        rows.append(
            ("Contexts", f"{_levels(adata.obs[design.context_key])}. Changes are against controls of the same context.")
        )
    if design.dose_key:
        doses = adata.obs.loc[(labels != labelling.control).to_numpy(), design.dose_key].astype(str)
        rows.append(("Doses", f"{_levels(doses)}."))
    if design.size_factor_key:
        sizes = adata.obs[design.size_factor_key].astype(float)
        rows.append(("Size factors", f"From {sizes.min():.3g} to {sizes.max():.3g}."))
    return rows


def _replicates(obs: pd.DataFrame, design: Design, labelling: Labelling) -> str:
    """Replicates of the conditions, or what their absence means."""
    if design.sample_key is None:
        return (
            "None were named (`sample_key`, --sample-key): cells are taken as independent, and p-values of genes are too "
            "small where replicates differ."
        )
    table = cells_by_sample(obs, design) > 0
    control = table.loc[labelling.control]
    others = table.drop(index=labelling.control)
    n_samples = others.sum(axis=1)
    paired = int((others & control).any(axis=0).sum())
    where = (
        f"{paired:,} of them hold both control and perturbed cells"
        if paired
        else "none holds control and perturbed cells"
    )
    few = n_samples.index[n_samples < 2]
    missing = f" In one only: {_named(few)}." if len(few) else ""
    return f"{_levels(obs[design.sample_key])}; {where}. Each condition has cells in {_span(n_samples)}.{missing}"


def cells_by_sample(obs: pd.DataFrame, design: Design, *, by_context: bool = False) -> pd.DataFrame:
    """Number of cells of each condition in each sample, or in each sample and context."""
    samples = obs[design.sample_key].astype(str)
    if by_context and design.context_key:
        samples = samples + " " + obs[design.context_key].astype(str)
    return pd.crosstab(obs[design.perturbation_key].astype(str), samples)


def _guides(obs: pd.DataFrame, design: Design, labelling: Labelling) -> str:
    pairs = obs[[design.perturbation_key, design.guide_key]].astype(str).drop_duplicates()
    counts = pairs.groupby(design.perturbation_key, observed=True).size()
    control = int(counts.get(labelling.control, 0))
    others = counts.drop(labelling.control, errors="ignore")
    return (
        f"{len(pairs):,}: {_span(others)} for each condition (median "
        f"{float(np.median(others)):.3g}), {control:,} of the control."
    )


def _levels(column: pd.Series) -> str:
    """Values of a column, with their numbers of cells if there are few."""
    counts = column.astype(str).value_counts(sort=False).sort_index()
    counts = counts[counts > 0]
    if len(counts) > _FEW:
        return f"{len(counts):,} in '{column.name}', of {_span(counts)} cells"
    return f"{len(counts)} in '{column.name}' (" + ", ".join(f"{name}: {n:,}" for name, n in counts.items()) + ")"


def _span(numbers: pd.Series) -> str:
    """Smallest and largest of some numbers, or the one that all are."""
    low, high = int(numbers.min()), int(numbers.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _named(names: Sequence[Any]) -> str:
    shown = ", ".join(map(str, names[:_FEW]))
    return shown if len(names) <= _FEW else f"{shown} and {len(names) - _FEW} more"
