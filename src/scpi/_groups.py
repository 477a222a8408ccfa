"""Selection of the groups that are tested against a reference."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def choose_groups(
    sizes: Mapping[str, int], groupby: str, groups: Sequence[str] | Literal["all"], reference: str, min_size: int
) -> list[str]:
    """Select the requested groups; those that are too small are dropped from "all" with a warning, or are an error.

    The warning refers to the caller of the caller of the calling function.
    """
    if isinstance(groups, str) and groups == "all":
        others = [label for label in sizes if label != reference]
        small = [label for label in others if sizes[label] < min_size]
        if small:
            msg = f"Groups with fewer than {min_size} cells are not tested: {listed(small)}."
            warnings.warn(msg, UserWarning, stacklevel=4)
        chosen = [label for label in others if sizes[label] >= min_size]
        if not chosen:
            msg = f"`obs[{groupby!r}]` has no group of at least {min_size} cells other than {reference!r}."
            raise ValueError(msg)
        return chosen
    chosen = named_groups(sizes, groupby, groups, reference)
    small = [f"{label!r} ({sizes[label]})" for label in chosen if sizes[label] < min_size]
    if small:
        msg = f"These groups have fewer than {min_size} cells and cannot be tested: {', '.join(small)}."
        raise ValueError(msg)
    return chosen


def named_groups(known: Iterable[str], groupby: str, groups: Sequence[str] | str, reference: str) -> list[str]:
    """Groups by name, each once; an error names those that cannot be tested."""
    known = dict.fromkeys(known)
    chosen = list(dict.fromkeys([groups] if isinstance(groups, str) else map(str, groups)))
    unknown = [label for label in chosen if label not in known]
    if unknown or not chosen:
        msg = f"`groups` has {listed(unknown)} that is no label in `obs[{groupby!r}]`, which has {listed(known)}."
        raise ValueError(msg if unknown else "`groups` is empty.")
    if reference in chosen:
        msg = f"`groups` has the reference {reference!r} itself, which would be tested against itself."
        raise ValueError(msg)
    return chosen
