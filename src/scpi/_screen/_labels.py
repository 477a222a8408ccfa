"""Labels of perturbations: combinations, order and vocabulary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def split_label(label: str, *, control: str, delimiter: str) -> tuple[str, ...]:
    """Single perturbations of a label, sorted, without the control and without repeats.

    Parameters
    ----------
    label
        Label such as ``"A"``, ``"B+A"`` or ``"A+control"``.
    control
        Label of the unperturbed cells.
    delimiter
        What separates single perturbations.
    """
    members = {member.strip() for member in str(label).split(delimiter)}
    return tuple(sorted(members - {control.strip(), ""}))


def canonical_label(label: str, *, control: str, delimiter: str) -> str:
    """The one spelling of a label: members sorted and joined, or the control."""
    members = split_label(label, control=control, delimiter=delimiter)
    return delimiter.join(members) if members else control


def vocabulary_of(labels: Iterable[str], *, control: str, delimiter: str) -> list[str]:
    """Sorted single perturbations that occur in ``labels``."""
    return sorted({member for label in labels for member in split_label(label, control=control, delimiter=delimiter)})


def encode_labels(
    labels: Sequence[str],
    vocabulary: Sequence[str],
    *,
    control: str,
    delimiter: str,
    doses: Sequence[float] | None = None,
) -> np.ndarray:
    """Doses of the single perturbations in each label.

    Parameters
    ----------
    labels
        Labels, one a condition.
    vocabulary
        Known single perturbations, in the order of the columns.
    control
        Label of the unperturbed cells.
    delimiter
        What separates single perturbations.
    doses
        Dose of each condition, shared by its members; 1 without.

    Returns
    -------
    Array of shape (n_conditions, n_perturbations), float32. Rows of the control are zero.

    Raises
    ------
    ValueError
        If a label holds a perturbation outside the vocabulary.
    """
    column = {name: index for index, name in enumerate(vocabulary)}
    unknown = sorted(set(vocabulary_of(labels, control=control, delimiter=delimiter)) - set(column))
    if unknown:
        msg = (
            f"Unknown perturbation {_quote(unknown)}. The model knows {_quote(vocabulary)}, combinations of these "
            f"joined by {delimiter!r}, and the control {control!r}."
        )
        raise ValueError(msg)
    design = np.zeros((len(labels), len(vocabulary)), dtype=np.float32)
    for row, label in enumerate(labels):
        for member in split_label(label, control=control, delimiter=delimiter):
            design[row, column[member]] = 1.0 if doses is None else doses[row]
    return design


def _quote(names: Sequence[str], *, most: int = 12) -> str:
    """Names for a message, the first ``most`` of them."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
