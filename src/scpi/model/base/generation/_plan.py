"""Plans of generation: one row for each group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scpi._keys import Key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scpi.model.base.generation._covariates import Covariates, Encoded


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
