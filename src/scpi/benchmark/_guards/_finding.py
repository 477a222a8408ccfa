"""What an audit finds, how grave it is, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Severity = Literal["low", "medium", "high"]
RISKS = ("none", "low", "medium", "high")
"""Severities in ascending order, and before them that of no finding."""


class Finding(NamedTuple):
    """A leak between the cells that are learned from and those that are predicted."""

    kind: str
    """One of `KINDS`."""
    severity: Severity
    """How far scores can be trusted: ``"high"`` not at all, ``"medium"`` with care, ``"low"`` as far as the entry is not used."""
    n: int
    """Number of cells, conditions or genes that are concerned."""
    entry: str
    """Entry of the data that it is in; empty where it is the division itself."""
    evidence: str
    """What was found, with numbers."""


KINDS: Mapping[str, str] = {
    "test cells in training": "Make the sets disjoint, as the functions of `scpi.benchmark.splits` do.",
    "duplicated cells": "Remove the copies before the data are divided.",
    "near-duplicated cells": "Find out where the copies come from, and keep one of each.",
    "condition on both sides": "Leave all cells of a condition out, or divide the cells of all conditions at random.",
    "other spelling in training": "Give each condition one label, and divide the cells again.",
    "perturbation in a training combination": "Leave the combinations out too: `scpi.benchmark.splits.leave_perturbations_out`.",
    "value on both sides": "Divide by this column, or give it as the groups that are left out together.",
    "shared controls": "Set controls aside for the measured change: `reference_fraction` above 0.",
    "genes selected with test cells": "Select genes on the training cells, and keep these for the test cells.",
    "scaled with test cells": "Compare log-normalised expression, or scale with means and deviations of the training cells.",
    "representation of test cells": "Fit it on the training cells, and project the others; or remove the entry.",
    "neighbours across the division": "Compute neighbours within the training cells; or remove the entry.",
    "results of test conditions": "Remove the entry, or compute it without the test cells.",
    "features from the same screen": "Take features from other data, or from the training cells alone.",
    "targets among the scored genes": "Name perturbations as the genes are named, and leave these out: `exclude_targets=True`.",
}
"""What helps, by the kind of finding."""


def severity_of(entry: str, reads: Iterable[str] | None) -> Severity:
    """How grave a leak in an entry of the data is: high if models read it, low if they do not, medium if that is unknown."""
    if reads is None:
        return "medium"
    return "high" if entry in set(reads) else "low"


def risk_of(severities: Iterable[str]) -> str:
    """The gravest of some severities; ``"none"`` without any."""
    return max(severities, key=RISKS.index, default=RISKS[0])
