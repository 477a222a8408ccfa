"""Labels of one condition that are written differently, in data whose labels need not be perturbations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scpi._screen._labels import Labelling, spellings
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_DELIMITER = "+"
# A perturbation may be a reference too, and "A+B" against "A" is another question than "B" against "A"
CONTROL_WORDS = re.compile(
    r"(?<![a-z])(controls?|ctrl|ctl|nt|ntc|non[-_ ]?targeting|neg|negative|scrambled?|dmso|vehicle|mock|untreated|"
    r"unperturbed|unstimulated|wt|wild[-_ ]?type)(?![a-z])",
    re.IGNORECASE,
)


def condition_namer(reference: str | None) -> Callable[[str], str]:
    """Function that gives a label the one name of its condition, where its parts can be members of a combination.

    The reference, with which others are compared, is left out of a combination if its name says that it is a control.
    """
    is_control = reference is not None and CONTROL_WORDS.search(reference) is not None
    labelling = Labelling((reference,) if is_control and reference is not None else (), _DELIMITER)

    def name(label: str) -> str:
        # The plus of "CD4+" and "CD4+ T" is part of a name: it separates nothing, or nothing that stands alone
        if not all(part.strip() for part in label.split(_DELIMITER)):
            return label
        return labelling.canonical(label) or label

    return name


def merge_spellings(labels: pd.Categorical, reference: str | None = None) -> pd.Categorical:
    """Merge the labels of one condition: "A+B" with "B+A", and next to a control also "A+control" with "A".

    Labels that occur in one spelling keep it; those of several have the members in order, and a warning lists them.
    """
    name = condition_namer(reference)
    found = [name(label) for label in labels.categories]
    several = merged_spellings(labels.categories, found)
    if not several:
        return labels
    return rename_labels(
        labels, [new if new in several else old for new, old in zip(found, labels.categories, strict=True)]
    )


def rename_labels(labels: pd.Categorical, names: Sequence[str]) -> pd.Categorical:
    """Give the categories other names, of which several may be the same, or "" where cells have no label."""
    order = pd.Index([name for name in dict.fromkeys(names) if name], dtype=object)
    codes = np.append(order.get_indexer(pd.Index(names, dtype=object)), -1)
    return pd.Categorical.from_codes(codes[labels.codes], categories=order)


def merged_spellings(labels: Iterable[str], names: Iterable[str]) -> set[str]:
    """Names that several labels have, with a warning that lists these labels; "" is no name."""
    by_name: dict[str, list[str]] = {}
    for label, name in zip(labels, names, strict=True):
        by_name.setdefault(name, []).append(str(label))
    several = {name: found for name, found in by_name.items() if name and len(found) > 1}
    if several:
        listed = "; ".join(f"{', '.join(map(repr, found))} as {name!r}" for name, found in list(several.items())[:5])
        more = f"; and {len(several) - 5} more" if len(several) > 5 else ""
        warn_user(f"Labels that are other spellings of the same condition are merged: {listed}{more}.")
    return set(several)


def find_label(given: Any, known: Iterable[str], reference: str | None = None) -> str:
    """A label as it stands in the data: numbers as text, and the members of a combination in any order.

    It is the text of what was given where the data has no such label. ``reference`` is the group that others are
    compared with.
    """
    known = list(known)
    for text in spellings(given):
        if text in known:
            return text
    name = condition_namer(reference)
    by_name = {name(label): label for label in known}
    return by_name.get(name(str(given)), str(given))
