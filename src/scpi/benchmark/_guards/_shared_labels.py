"""Labels on both sides of a split: conditions, other spellings of them, and members of combinations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from scpi._screen._labels import quoted
from scpi._screen._spellings import CONTROL_WORDS
from scpi._slots import find_column
from scpi.benchmark._guards._finding import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from scpi.benchmark._guards._audited import Audited, Stratum

_DELIMITERS = re.compile(r"[+,;|&/]")
_INSIDE = re.compile(r"[\s_.\-]+")


def shared_labels(audited: Audited) -> Iterator[Finding]:
    """Test conditions that occur in training under the same name, another name, or in a combination."""
    if audited.leaves_conditions_out:
        for kind, found in (
            ("condition on both sides", _same_condition(audited)),
            ("other spelling in training", _other_spelling(audited)),
            ("perturbation in a training combination", _in_combination(audited)),
        ):
            if found:
                evidence = f"{len(found)} of {len(audited.test_strata)} test conditions: {'; '.join(found[:3])}."
                yield Finding(kind, "high", len(found), "", evidence)
    for column in audited.apart:
        values = find_column(audited.adata, column, argument="apart")
        both = sorted(
            set(values.iloc[audited.test].dropna().astype(str))
            & set(values.iloc[audited.perturbed_train].dropna().astype(str))
        )
        if both:
            evidence = f"{len(both)} values are on both sides: {quoted(both, n_max=5)}."
            yield Finding("value on both sides", "high", len(both), f"obs[{column!r}]", evidence)


def _same_condition(audited: Audited) -> list[str]:
    found = []
    for stratum, cells in audited.test_strata.items():
        if n := len(audited.alike(stratum)):
            found.append(f"{_title(stratum)} has {n} training cells and {len(cells)} test cells")
    return found


def _other_spelling(audited: Audited) -> list[str]:
    """Test conditions with a training label that differs only in order, case, delimiters or the control."""
    names = {str(label) for label in audited.written[np.union1d(audited.test, audited.train)]}
    singles = {_squeezed(label) for label in names if not _DELIMITERS.search(label)}
    read = {label: loosely(label, singles, audited.labels.labelling.controls) for label in names}
    everywhere = {stratum.label for stratum in audited.train_strata}
    there = [
        (stratum, label)
        for stratum, cells in audited.train_strata.items()
        for label in sorted(set(audited.written[cells]))
    ]
    found = []
    for stratum, cells in audited.test_strata.items():
        own = set(audited.written[cells])
        wanted = {read[label] for label in own}
        for other, label in there:
            is_near = other.context == stratum.context or stratum.label not in everywhere
            is_same_dose = other.label != stratum.label or other.doses == stratum.doses
            if label not in own and read[label] in wanted and is_near and is_same_dose:
                found.append(f"{min(own)!r} is written {label!r} in training")
                break
    return found


def loosely(label: str, singles: Collection[str], controls: Collection[str] = ()) -> tuple[str, ...]:
    """Members of a label, normalised for case, order, spaces and hyphens, without a control beside others.

    An underscore separates members if all parts are perturbations.
    """
    parts = _DELIMITERS.split(label)
    if len(parts) == 1:
        tokens = [_squeezed(token) for token in label.split("_")]
        parts = tokens if len(tokens) > 1 and all(token in singles for token in tokens) else parts
    known = {_squeezed(control) for control in controls}
    members = {_squeezed(part): part.strip() for part in parts if _squeezed(part)}
    others = {name for name, part in members.items() if name not in known and not CONTROL_WORDS.fullmatch(part)}
    return tuple(sorted(others or members))


def _squeezed(text: str) -> str:
    return _INSIDE.sub("", text).casefold()


def _in_combination(audited: Audited) -> list[str]:
    """Single test perturbations that are members of a training combination, but not trained on alone."""
    labelling = audited.labels.labelling
    alone = {stratum.label for stratum in audited.train_strata}
    found = []
    for stratum in audited.test_strata:
        members = labelling.members(stratum.label)
        if len(members) != 1 or stratum in audited.train_strata:
            continue
        inside = sorted(
            {
                other.label
                for other in audited.train_strata
                if labelling.is_combination(other.label)
                and members[0] in labelling.members(other.label)
                and (other.context == stratum.context or stratum.label not in alone)
            }
        )
        if inside:
            found.append(f"{_title(stratum)} is in {quoted(inside, n_max=2)}")
    return found


def _title(stratum: Stratum) -> str:
    return f"{stratum.label!r}{f' of {stratum.context!r}' if stratum.context else ''}"
