"""Covariates that a model is conditioned on, and how tables of them are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Values = NDArray[np.float32]


class Encoded(NamedTuple):
    """Covariates of cells or groups, as a network reads them."""

    codes: Codes
    """Codes of the categories, rows x categorical covariates."""
    values: Values
    """Numbers, rows x continuous covariates."""

    def take(self, rows: NDArray[np.int64] | slice) -> Self:
        """Some of the rows."""
        return self._replace(codes=self.codes[rows], values=self.values[rows])


@dataclass(frozen=True)
class Covariates:
    """Covariates of a model with their categories, in the order in which its network reads them."""

    categories: Mapping[str, Sequence[str]]
    """Categories of each categorical covariate, in the order of their codes."""
    continuous: Sequence[str] = ()
    """Names of the continuous covariates."""

    @property
    def names(self) -> list[str]:
        """Names of all covariates."""
        return [*self.categories, *self.continuous]

    @property
    def text(self) -> list[str]:
        """Names of those that are text."""
        return list(self.categories)

    def encode(self, table: pd.DataFrame, *, what: str = "plan") -> Encoded:
        """Codes and numbers of the rows of a table.

        Raises
        ------
        KeyError
            If a covariate is not a column of the table, which messages call ``what``.
        ValueError
            If a category is unknown or missing, or a number is not finite.
        """
        missing = [name for name in self.names if name not in table]
        if missing:
            msg = (
                f"`{what}` must have a column for each covariate of the model, {listed(self.names)}, but lacks "
                f"{listed(missing)}."
            )
            raise KeyError(msg)
        codes = np.empty((len(table), len(self.categories)), dtype=np.int64)
        for column, (name, known) in enumerate(self.categories.items()):
            codes[:, column] = category_codes(name, table[name], known)
        values = np.empty((len(table), len(self.continuous)), dtype=np.float32)
        for column, name in enumerate(self.continuous):
            values[:, column] = finite_values(name, table[name])
        return Encoded(codes, values)

    def replace(self, given: Encoded, changes: Mapping[str, object]) -> Encoded:
        """Covariates of cells after some of them are set to one value each.

        Raises
        ------
        ValueError
            If nothing is changed, a covariate or a category is unknown, or a number is not finite.
        """
        self._check_changes(changes)
        codes, values = given.codes.copy(), given.values.copy()
        for name, value in changes.items():
            column = pd.Series([value])
            if name in self.categories:
                place = list(self.categories).index(name)
                codes[:, place] = category_codes(name, column, self.categories[name])[0]
            else:
                values[:, list(self.continuous).index(name)] = finite_values(name, column)[0]
        return Encoded(codes, values)

    def column(self, name: str, value: Any, n_cells: int) -> Any:
        """Column of ``obs`` of cells that have one value of a covariate."""
        return float(value) if name in self.continuous else pd.Categorical([str(value)] * n_cells)

    def _check_changes(self, changes: Mapping[str, object]) -> None:
        unknown = [name for name in changes if name not in self.names]
        if unknown or not changes:
            named = listed(unknown) if unknown else "nothing"
            msg = f"The model is conditioned on {listed(self.names)}; {named} was given to change."
            raise ValueError(msg)


def category_codes(name: str, values: pd.Series, known: Sequence[str]) -> Codes:
    """Codes of the categories of a covariate; a ValueError names those that are unknown, and what is known."""
    if values.isna().any():
        msg = f"The covariate {name!r} has no value for {int(values.isna().sum())} rows."
        raise ValueError(msg)
    text = values.astype(str)
    codes = pd.Index(known).get_indexer(pd.Index(text))
    if (codes < 0).any():
        msg = (
            f"The covariate {name!r} has no category {listed(text[codes < 0].unique())} in this model, which knows "
            f"{listed(known)}."
        )
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.int64)


def finite_values(name: str, values: pd.Series) -> Values:
    """Numbers of a covariate; a ValueError says if one is none."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    wrong = int((~np.isfinite(numbers)).sum())
    if wrong:
        msg = f"The covariate {name!r} must be a finite number in every row; it is not in {wrong}."
        raise ValueError(msg)
    return numbers.astype(np.float32)
