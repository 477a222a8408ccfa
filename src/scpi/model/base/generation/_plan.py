"""Plans of generation: one row for each group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi._keys import Key
from scpi._slots import listed
from scpi._warn import warn_user

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scpi.model.base.generation._covariates import Covariates, Encoded

    Codes = NDArray[np.int64]

# Groups that a message names
_N_NAMED = 5


class Groups(NamedTuple):
    """Groups of cells to generate."""

    obs: pd.DataFrame
    """Annotations of each group, one row each, without the columns below."""
    covariates: Encoded
    """Covariates of each group."""
    sizes: NDArray[np.int64]
    """Number of cells of each group."""
    library: NDArray[np.float64] | None
    """Total counts of a cell of each group, the median of them with ``library_sd``; ``None`` where it is not given."""
    library_sd: NDArray[np.float64]
    """Standard deviation of the logarithm of the total counts."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Group of each cell."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def table(self) -> pd.DataFrame:
        """Annotations of each cell, under names of the group and a number."""
        obs = self.obs.iloc[self.rows].copy()
        numbers = np.concatenate([np.arange(size) for size in self.sizes])
        obs.index = pd.Index([f"{name}_{number}" for name, number in zip(obs.index, numbers, strict=True)])
        return obs

    def draw_library(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Total counts of each cell, from log-normal distributions."""
        assert self.library is not None
        spread = np.repeat(self.library_sd, self.sizes)
        return np.asarray(np.repeat(self.library, self.sizes) * np.exp(spread * rng.normal(size=len(spread))))


def read_plan(plan: pd.DataFrame, covariates: Covariates) -> Groups:
    """Groups of a plan.

    Raises
    ------
    TypeError
        If it is not a table.
    KeyError
        If a column is missing.
    ValueError
        If it is empty, a category is unknown, or a number is out of its range.
    """
    if not isinstance(plan, pd.DataFrame):
        msg = f"`plan` must be a DataFrame with one row for each group of cells, not {type(plan).__name__}."
        raise TypeError(msg)
    if Key.obs.N_CELLS not in plan:
        msg = f"`plan` has no column {Key.obs.N_CELLS!r}, the number of cells of each group."
        raise KeyError(msg)
    if not len(plan):
        msg = "`plan` is empty: it needs one row for each group of cells."
        raise ValueError(msg)
    encoded = covariates.encode(plan)
    sizes = _numbers(plan, Key.obs.N_CELLS)
    if (sizes != np.rint(sizes)).any() or sizes.min() < 1:
        msg = f"`plan[{Key.obs.N_CELLS!r}]` must hold whole numbers of cells, at least 1."
        raise ValueError(msg)
    library, spread = None, np.zeros(len(plan))
    if Key.obs.LIBRARY in plan:
        library = _numbers(plan, Key.obs.LIBRARY)
        if library.min() <= 0:
            msg = f"`plan[{Key.obs.LIBRARY!r}]` must hold total counts of a cell above 0."
            raise ValueError(msg)
    if Key.obs.LIBRARY_SD in plan:
        spread = _numbers(plan, Key.obs.LIBRARY_SD)
        if spread.min() < 0 or library is None:
            msg = (
                f"`plan[{Key.obs.LIBRARY_SD!r}]` must not be negative, and belongs to a column {Key.obs.LIBRARY!r}: it is "
                "the standard deviation of the logarithm of the total counts."
            )
            raise ValueError(msg)
    counted = [Key.obs.N_CELLS, Key.obs.LIBRARY, Key.obs.LIBRARY_SD]
    obs = plan.drop(columns=[name for name in counted if name in plan])
    for name in covariates.text:
        obs[name] = pd.Categorical(obs[name].astype(str))
    return Groups(obs, encoded, sizes.astype(np.int64), library, spread)


def _numbers(plan: pd.DataFrame, name: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(plan[name], errors="coerce").to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all():
        msg = f"`plan[{name!r}]` must hold a number in every row."
        raise ValueError(msg)
    return np.asarray(numbers)


class Measured(NamedTuple):
    """Numbers of cells of each group of a plan."""

    asked: Codes
    """Cells to generate, over all rows of the plan with the same covariates."""
    measured: Codes
    """Measured cells with the same covariates."""
    largest: Codes
    """Measured cells of the group or, if there are none, of the largest group of its sample, otherwise of all."""


def count_measured(groups: Codes, sizes: Codes, cells: Codes, samples: Sequence[int]) -> Measured:
    """Count cells of groups; ``groups`` and ``cells`` are rows x covariates, of which ``samples`` are the sample."""
    kinds, numbers = np.unique(cells, axis=0, return_counts=True)
    asked, measured, largest = (np.zeros(len(groups), dtype=np.int64) for _ in range(3))
    for row, group in enumerate(groups):
        asked[row] = sizes[(groups == group).all(axis=1)].sum()
        measured[row] = numbers[(kinds == group).all(axis=1)].sum()
        own = numbers[(kinds[:, samples] == group[samples]).all(axis=1)]
        largest[row] = measured[row] or (own if len(own) else numbers).max()
    return Measured(asked, measured, largest)


def warn_of_evidence(found: Measured, names: Sequence[str]) -> None:
    """Warn if more cells of a group are asked for than were measured, or if a group was never measured."""
    more = np.flatnonzero(found.asked > found.largest)
    if len(more):
        worst = more[np.argmax(found.asked[more] / found.largest[more])]
        n, of_group = f"{found.largest[worst]:,}", found.measured[worst] > 0
        there = f"of which {n} were measured" if of_group else f"where the largest measured group of the sample has {n}"
        warn_user(
            f"The plan asks for more cells than were measured of {len(more)} of {len(names)} groups, such as "
            f"{found.asked[worst]:,} of {names[worst]!r}, {there}. Generated cells are not evidence: with more of them "
            "than were measured, p-values become too small. Lower `n_cells` of the plan."
        )
    new = [name for name, number in zip(names, found.measured, strict=True) if not number]
    if new:
        warn_user(
            f"{len(new)} of {len(names)} groups of the plan were not measured: {listed(new, _N_NAMED)}. Their p-values are "
            "statements about what the model has learned, and not about cells."
        )
