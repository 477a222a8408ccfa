"""Which groups of cells are compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from scpi._groups import choose_groups
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Number of cells of each code."""
        return np.bincount(self.codes[self.codes >= 0], minlength=self.n_groups)


def plan_comparisons(
    labels: pd.Categorical, groupby: str, groups: Sequence[str] | Literal["all"], reference: str, min_size: int
) -> Plan:
    sizes = dict(zip(labels.categories, np.bincount(labels.codes[labels.codes >= 0]), strict=True))
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
    )
