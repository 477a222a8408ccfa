"""Labels of perturbations: the control, combinations, and what is not assigned."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# In lower case. None of these is ever a control, unless it was named as one.
_UNASSIGNED = frozenset({"", "<na>", "n/a", "na", "nan", "none", "not assigned", "unassigned", "unmapped"})

Control = str | int | float | bool


@dataclass(frozen=True)
class Labelling:
    """How the labels of a screen are written: the one reader of labels.

    A label is compared with the controls as a whole before it is split, so that a control may contain the delimiter.
    Members of a combination may stand in any order, with spaces around them, more than once, and beside the control:
    ``"B + A"``, ``"A+B"``, ``"A+B+A"`` and ``"A+control+B"`` are one condition. A label with a member that is not
    assigned is not assigned. The first of the ``controls`` is the name that all of them get; the ``delimiter`` is
    ``None`` if there are no combinations.
    """

    controls: tuple[str, ...]
    delimiter: str | None

    @classmethod
    def of(cls, control: Control | Sequence[Control] = "control", delimiter: str | None = "+") -> Labelling:
        """Make a labelling from what users pass as ``control`` and ``delimiter``.

        Numbers and booleans stand for their text. A `ValueError` says if there is no control, or one or the delimiter
        is empty.
        """
        given = [control] if isinstance(control, Control) or not hasattr(control, "__iter__") else list(control)
        controls = tuple(dict.fromkeys(text for value in given for text in spellings(value)))
        if not controls or "" in controls:
            msg = f"`control` must name at least one label of unperturbed cells, got {control!r}."
            raise ValueError(msg)
        if delimiter is not None and not str(delimiter).strip():
            msg = (
                f"`delimiter` must not be empty, got {delimiter!r}. Use `delimiter=None` if no label is a combination."
            )
            raise ValueError(msg)
        return cls(controls, delimiter)

    @property
    def control(self) -> str:
        """Canonical name of the control."""
        return self.controls[0]

    @property
    def control_names(self) -> list[str]:
        """Labels of the control for a message: those of ``controls``, a number in one spelling only."""
        names: dict[str | float, str] = {}
        for control in self.controls:
            names.setdefault(_as_number(control), control)
        return list(names.values())

    def parts(self, label: Any) -> list[str]:
        """Members of a label as they are written, in their order, controls included."""
        text = "" if pd.isna(label) else str(label).strip()
        if self.delimiter is None or text in self.controls:
            return [text] if text else []
        parts = [part.strip() for part in text.split(self.delimiter)]
        for control in self.controls:
            parts = _joined(parts, [part.strip() for part in control.split(self.delimiter)], control)
        return [part for part in parts if part]

    def members(self, label: Any) -> tuple[str, ...]:
        """Single perturbations of a label, sorted, once each; none of a control or where it is not assigned."""
        return self._parse(label) or ()

    def canonical(self, label: Any) -> str:
        """The one spelling of a label: members sorted and joined, the control, or ``""`` where it is not assigned."""
        members = self._parse(label)
        if members is None:
            return ""
        return (self.delimiter or "").join(members) if members else self.control

    def is_combination(self, label: Any) -> bool:
        """Whether a label has more than one member."""
        return len(self.members(label)) > 1

    def vocabulary(self, labels: Iterable[Any]) -> list[str]:
        """Sorted single perturbations that occur in labels."""
        return sorted({member for label in labels for member in self.members(label)})

    def read(self, labels: pd.Categorical) -> pd.Categorical:
        """Canonical label of every cell, from labels as text; -1 where one is missing or not assigned.

        The categories are those that occur: the control, then perturbations by their number of members and name.
        """
        used = np.unique(labels.codes[labels.codes >= 0])
        spelling = {int(code): self.canonical(labels.categories[code]) for code in used}
        order = sorted(
            {name for name in spelling.values() if name},
            key=lambda name: (name != self.control, len(self.members(name)), name),
        )
        place = {name: code for code, name in enumerate(order)} | {"": -1}
        translation = np.full(len(labels.categories) + 1, -1, dtype=np.int64)
        for code, name in spelling.items():
            translation[code] = place[name]
        return pd.Categorical.from_codes(translation[labels.codes], categories=pd.Index(order, dtype=object))

    def _parse(self, label: Any) -> tuple[str, ...] | None:
        """Members of a label; none for a control, and ``None`` where it is not assigned."""
        parts = self.parts(label)
        if not parts:
            return None
        members = sorted(set(parts) - set(self.controls))
        if any(member.lower() in _UNASSIGNED for member in members):
            return None
        return () if (self.delimiter or "").join(members) in self.controls else tuple(members)

    def warn_of_lone_members(self, labels: Iterable[Any]) -> None:
        """Warn of combinations that may be the name of one perturbation, such as the drug "(+)-JQ1".

        They look so if, in a screen with single perturbations, their members occur in no other label.
        """
        members = {label: self.members(label) for label in dict.fromkeys(map(self.canonical, labels))}
        counts = Counter(member for found in members.values() for member in found)
        has_singles = any(len(found) == 1 for found in members.values())
        lone = [
            label for label, found in members.items() if len(found) > 1 and all(counts[member] == 1 for member in found)
        ]
        if lone and has_singles:
            warn_user(
                f"{len(lone)} labels, such as {lone[0]!r}, are read as combinations whose members occur in no other label: "
                f"{quoted(members[lone[0]])}. If {self.delimiter!r} is a part of a name, use another `delimiter`, or "
                "`delimiter=None` for no combinations."
            )


def text_labels(values: pd.Series) -> pd.Categorical:
    """Labels of cells, of any type, as text; a missing one has the code -1.

    The categories are those that occur, in the order of a categorical or else sorted.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.remove_unused_categories().cat
        order = [str(category) for category in used.categories]
        codes = used.codes.to_numpy()
        if len(set(order)) == len(order):
            return pd.Categorical.from_codes(codes, categories=pd.Index(order, dtype=object))
        # Categories 1 and "1" are one label
        values = pd.Series([None if code < 0 else order[code] for code in codes], dtype=object)
    text = np.array(
        [None if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)], dtype=object
    )
    order = sorted({value for value in text if value is not None})
    codes = pd.Index(order, dtype=object).get_indexer(pd.Index(text))
    return pd.Categorical.from_codes(codes, categories=pd.Index(order, dtype=object))


def quoted(names: Sequence[str], *, n_max: int = 12) -> str:
    """Names for a message, the first ``n_max`` of them."""
    shown = ", ".join(repr(name) for name in names[:n_max])
    return shown if len(names) <= n_max else f"{shown} and {len(names) - n_max} more"


def spellings(value: Any) -> list[str]:
    """Text of a label; a whole number is also written with a fraction of 0."""
    text = str(value).strip()
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating) or value != value // 1:
        return [text]
    return [text, *({str(int(value)), str(float(value))} - {text})]


def _as_number(label: str) -> str | float:
    """The number that a label spells, else the label."""
    try:
        return float(label)
    except ValueError:
        return label


def _joined(parts: list[str], run: list[str], whole: str) -> list[str]:
    """Parts in which a run of them, a control that contains the delimiter, is one."""
    if len(run) < 2:
        return parts
    out, at = [], 0
    while at < len(parts):
        if parts[at : at + len(run)] == run:
            out.append(whole)
            at += len(run)
        else:
            out.append(parts[at])
            at += 1
    return out
