"""What the rows of a screen are: cells, or mean profiles of conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from scpi._screen._matrix import sums
from scpi._slots import layer_name, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

Rows = Literal["cells", "conditions"]
"""Single cells, or pseudobulk profiles: the mean of the cells of a condition, or of one sample of it."""

_FEWEST = 3
_ADVICE = "Call it with `rows='conditions'`, which compares means only."


class Halves(NamedTuple):
    """Profiles of two independent halves of the cells of each row, rows x genes, dense or sparse."""

    first: Any
    second: Any
    there: NDArray[np.bool_]
    """Whether each row has a value of every gene in both."""

    def at(self, rows: NDArray[np.int64]) -> tuple[Any, Any] | None:
        """Both halves of those of some rows that have them; ``None`` if none has."""
        own = rows[self.there[rows]]
        return (self.first[own], self.second[own]) if len(own) else None


def check_rows(rows: Rows, halves: tuple[str, str] | None) -> None:
    """Refuse other kinds of rows, and halves of what is no profile."""
    if rows not in get_args(Rows):
        msg = f"`rows` must be one of {listed(get_args(Rows))}, but is {rows!r}."
        raise ValueError(msg)
    if halves is None:
        return
    if isinstance(halves, str) or len(halves) != 2:
        msg = f"`halves` must name two layers, such as ('half1', 'half2'), but is {halves!r}."
        raise ValueError(msg)
    if rows == "cells":
        msg = "`halves` names layers of profiles, and needs `rows='conditions'`: cells are halved by draws."
        raise ValueError(msg)


def read_halves(read: Callable[[str], Any], halves: tuple[str, str] | None) -> Halves | None:
    """Layers with profiles of two halves of the cells of each row, NaN where a row has none.

    ``read`` returns a layer by its name.
    """
    if halves is None:
        return None
    first, second = (read(layer) for layer in halves)
    there = np.isfinite(sums(first, 1)) & np.isfinite(sums(second, 1))
    if not there.any():
        names = " and ".join(f"`{layer_name(layer)}`" for layer in halves)
        msg = f"No row has a value of every gene in both {names} (`halves`)."
        raise ValueError(msg)
    return Halves(first, second, there)


def look_like_conditions(strata: ArrayLike, is_control: NDArray[np.bool_]) -> bool:
    """Whether every perturbed condition, of three or more, is that of a single row.

    ``strata`` are codes of condition and context.
    """
    counts = pd.Series(np.asarray(strata)[~is_control]).value_counts()
    return len(counts) >= _FEWEST and bool((counts == 1).all())


def refuse_conditions(strata: ArrayLike, is_control: NDArray[np.bool_], *, advice: str = _ADVICE) -> None:
    """Say what to do where rows are taken for cells but look like conditions (`ValueError`)."""
    if look_like_conditions(strata, is_control):
        n = int((~is_control).sum())
        msg = (
            f"Each of the {n} perturbed conditions has one row: these look like profiles of conditions (pseudobulk), not "
            f"like cells. {advice}"
        )
        raise ValueError(msg)


def given_halves(
    halves: Halves | None, rows: NDArray[np.int64], controls: NDArray[np.int64], reference: Any
) -> dict[str, Any]:
    """Halves of a condition, and of the control, that are there without a draw: arguments of a prediction.

    ``reference`` are the profiles of the rows ``controls``. A single one without halves of its own serves both halves of
    the condition, whose changes then share its noise.
    """
    of_control = None if halves is None else halves.at(controls)
    if of_control is None and reference.shape[0] == 1:
        of_control = (reference, reference)
    return {"halves": None if halves is None else halves.at(rows), "reference_halves": of_control}
