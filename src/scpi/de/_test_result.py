"""Result of a test, and checks that the tests share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class TestResult:
    """Test of every group against the reference in every column, groups x columns."""

    effect: NDArray[np.float64]
    """Effect size of the test, such as the difference of the means; zero without an effect."""
    score: NDArray[np.float64]
    """Test statistic: positive if the group is above the reference."""
    log_pval: NDArray[np.float64]
    """Natural logarithm of the two-sided p-value, finite even if the p-value underflows."""

    @property
    def pval(self) -> NDArray[np.float64]:
        """Two-sided p-value; zero if below the smallest float."""
        return np.exp(self.log_pval)

    @property
    def log10_pval(self) -> NDArray[np.float64]:
        """Decimal logarithm of the two-sided p-value."""
        return self.log_pval / np.log(10.0)


def check_groups(n_rows: int, codes: ArrayLike, reference: int | None, min_size: int) -> tuple[NDArray[np.intp], int]:
    """Check that every group is large enough to be tested, and return the codes as integers and their number.

    If every group is tested against the rest (`reference` is `None`), there must be at least two groups.
    """
    array = np.asarray(codes)
    if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) != n_rows:
        msg = (
            f"`codes` must be one integer for each of the {n_rows} rows, but has shape {array.shape} and dtype "
            f"{array.dtype}."
        )
        raise ValueError(msg)
    used = array[array >= 0].astype(np.intp)
    sizes = np.bincount(used) if len(used) else np.zeros(0, dtype=np.intp)
    if reference is None and len(sizes) < 2:
        msg = f"There must be two groups or more to test each against the rest, but there are {len(sizes)}."
        raise ValueError(msg)
    if reference is not None and not 0 <= reference < len(sizes):
        msg = f"`reference` is group {reference}, but the groups are 0 to {len(sizes) - 1}."
        raise ValueError(msg)
    small = np.flatnonzero(sizes < min_size)
    if len(small):
        named = ", ".join(f"group {group} has {sizes[group]}" for group in small[:5])
        msg = f"Every group needs at least {min_size} row(s), but {named}."
        raise ValueError(msg)
    return array.astype(np.intp), len(sizes)
