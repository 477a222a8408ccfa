"""Findings of an audit, with their severity and remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Severity = Literal["low", "medium", "high"]
RISKS = ("none", "low", "medium", "high")
"""Severities in ascending order, preceded by that of no finding."""


class Finding(NamedTuple):
    """A leak between training and test cells."""

    kind: str
    """One of `KINDS`."""
    severity: Severity
    """``"high"``: scores are meaningless; ``"medium"``: care is needed; ``"low"``: relevant only if the entry is used."""
    n: int
    """Number of affected cells, conditions or genes."""
    entry: str
    """Affected entry of the data; empty for the split itself."""
    evidence: str
    """Evidence, with numbers."""


KINDS: Mapping[str, str] = {
    "test cells in training": "Make the sets disjoint, as the functions of `scpi.benchmark.splits` do.",
    "duplicated cells": "Remove the copies before splitting the data.",
    "near-duplicated cells": "Find the origin of the copies, and keep one of each.",
    "condition on both sides": "Hold out all cells of a condition, or split the cells of all conditions at random.",
    "other spelling in training": "Give each condition one label, and split the cells again.",
    "perturbation in a training combination": "Hold out combinations too: `scpi.benchmark.splits.leave_perturbations_out`.",
    "value on both sides": "Split by this column, or give it as the groups to hold out together.",
    "shared controls": "Set controls aside for the measured change: `reference_fraction` above 0.",
    "genes selected with test cells": "Select genes on the training cells, and keep these for the test cells.",
    "scaled with test cells": "Compare log-normalised expression, or scale with means and deviations of the training cells.",
    "representation of test cells": "Fit it on the training cells, and project the others; or remove the entry.",
    "neighbours across the division": "Compute neighbours within the training cells; or remove the entry.",
    "results of test conditions": "Remove the entry, or compute it without the test cells.",
    "features from the same screen": "Compute features from other data, or from the training cells only.",
    "targets among the scored genes": "Name perturbations like their genes, and exclude these: `exclude_targets=True`.",
}
"""Remedy by kind of finding."""


def severity_of(entry: str, reads: Iterable[str] | None) -> Severity:
    """Severity of a leak in an entry of the data: high if models read it, low if they do not, medium if unknown."""
    if reads is None:
        return "medium"
    return "high" if entry in set(reads) else "low"


def risk_of(severities: Iterable[str]) -> str:
    """The highest of several severities; ``"none"`` without any."""
    return max(severities, key=RISKS.index, default=RISKS[0])
