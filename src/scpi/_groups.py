"""Which groups of cells are compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._screen._spellings import find_label, merge_spellings
from scpi._sequence import as_list
from scpi._slots import listed
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

Label = str | int | float | bool
"""Label of a group, as it stands in the data; a number stands for its text."""

REST = "rest"


@dataclass(frozen=True)
class Plan:
    """Which cells are compared with which."""

    tested: list[str]
    """Groups whose tests are asked for; their codes are 0, 1, ..."""
    codes: NDArray[np.intp]
    """Group of each cell: those tested, then the reference, or all other groups as one."""
    reference: int | None
    """Code of the reference."""
    n_groups: int
    """Number of codes."""
    reference_name: str
    """Label of the reference."""

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of cells of each code."""
        return np.bincount(self.codes[self.codes >= 0], minlength=self.n_groups)


def plan_comparisons(
    labels: pd.Categorical,
    groupby: str,
    groups: Label | Sequence[Label] | Literal["all"],
    reference: Label,
    min_size: int,
) -> Plan:
    """Decide which cells are compared with which, from all labels and groups as users name them.

    A `ValueError` says if the reference or a group is unknown or has fewer than ``min_size`` cells, or there is nothing
    to compare.
    """
    reference = find_label(reference, labels.categories)
    labels = merge_spellings(labels, reference)
    sizes = group_sizes(labels)
    if reference != REST and reference not in sizes:
        msg = f"`reference` must be {REST!r} or a group of `obs[{groupby!r}]`, {listed(sizes)}, but is {reference!r}."
        raise ValueError(msg)
    if reference != REST and sizes[reference] < min_size:
        msg = f"The reference {reference!r} has {sizes[reference]} cell(s), but at least {min_size} are needed."
        raise ValueError(msg)
    if len(sizes) < 2:
        msg = f"`obs[{groupby!r}]` has {len(sizes)} group(s), {listed(sizes)}: there is nothing to compare."
        raise ValueError(msg)
    tested = choose_groups(sizes, groupby, groups, reference, min_size)
    order = pd.Index(tested if reference == REST else [*tested, reference], dtype=object)
    translation = order.get_indexer(labels.categories)
    if reference == REST:
        # Groups that are not tested are still part of the rest
        translation[translation < 0] = len(tested)
    codes = np.where(labels.codes >= 0, translation[labels.codes], -1)
    if reference == REST and (codes == len(tested)).sum() < min_size:
        # So few cells are no group that a test would take, and make no difference to the rest
        codes[codes == len(tested)] = -1
    return Plan(
        tested=tested,
        codes=codes.astype(np.intp),
        reference=None if reference == REST else len(tested),
        n_groups=int(codes.max()) + 1,
        reference_name=reference,
    )


def group_sizes(labels: pd.Categorical) -> dict[str, int]:
    """Number of cells of each label."""
    sizes = np.bincount(labels.codes[labels.codes >= 0], minlength=len(labels.categories))
    return dict(zip(labels.categories, sizes.tolist(), strict=True))


def choose_groups(
    sizes: Mapping[str, int],
    groupby: str,
    groups: Label | Sequence[Label] | Literal["all"],
    reference: str,
    min_size: int,
) -> list[str]:
    """Select the requested groups; those that are too small are dropped from "all" with a warning, or are an error."""
    if isinstance(groups, str) and groups == "all":
        others = [label for label in sizes if label != reference]
        small = [label for label in others if sizes[label] < min_size]
        if small:
            warn_user(f"Not tested, as they have fewer than {min_size} cells: {listed(small)}.")
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


def named_groups(known: Iterable[str], groupby: str, groups: Label | Sequence[Label], reference: str) -> list[str]:
    """Groups by name, each once; an error names those that cannot be tested."""
    known = dict.fromkeys(known)
    chosen = list(dict.fromkeys(find_label(group, known, reference) for group in as_list(groups)))
    unknown = [label for label in chosen if label not in known]
    if unknown or not chosen:
        msg = f"`groups` has {listed(unknown)} that is no label in `obs[{groupby!r}]`, which has {listed(known)}."
        raise ValueError(msg if unknown else "`groups` is empty.")
    if reference in chosen:
        msg = f"`groups` has the reference {reference!r} itself, which would be tested against itself."
        raise ValueError(msg)
    return chosen


def other_mean(mean: NDArray[np.float64], size: NDArray[np.intp], reference: int | None) -> NDArray[np.float64]:
    """Mean of what each group is compared with: the reference, or all other groups together if `None`."""
    if reference is not None:
        return np.broadcast_to(mean[reference], mean.shape)
    total = size[:, None] * mean
    # Those before and those behind are summed: a total less a group of most of it would keep nothing
    others = np.zeros_like(total)
    others[1:] += np.cumsum(total[:-1], axis=0)
    others[:-1] += np.cumsum(total[:0:-1], axis=0)[::-1]
    return np.asarray(others / (size.sum() - size)[:, None])
