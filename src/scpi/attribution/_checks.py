"""Checks of the arguments of attributions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from scpi._screen._checks import check_values
from scpi._screen._stored_rows import checked_rows
from scpi._sequence import as_list
from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def check_positive(**numbers: float) -> None:
    """Check that numbers, given by name, are above zero."""
    for name, number in numbers.items():
        if not number > 0:
            msg = f"`{name}` must be positive, but is {number}."
            raise ValueError(msg)


def check_expression(x: Any) -> Any:
    """Check that expression, cells x genes, is finite; return it dense, as CSR, or as rows that are read on demand."""
    matrix = checked_rows(x, partial(check_values, name="x", shape="cells x genes"))
    if matrix.shape[0] == 0:
        msg = "`x` has no cells."
        raise ValueError(msg)
    return matrix


def check_codes(codes: ArrayLike | None, n_cells: int) -> NDArray[np.intp]:
    """Check the group of each cell; all are one group if `None`."""
    if codes is None:
        return np.zeros(n_cells, dtype=np.intp)
    groups = np.asarray(codes)
    if groups.shape != (n_cells,) or groups.dtype.kind not in "iu":
        msg = (
            f"`codes` must have one integer for each of {n_cells} cells, but is of shape {groups.shape} and "
            f"{groups.dtype}."
        )
        raise ValueError(msg)
    if not (groups >= 0).any():
        msg = "`codes` leaves out every cell: all are negative."
        raise ValueError(msg)
    return groups.astype(np.intp)


def one_output_each(places: list[int], n_groups: int) -> list[list[int]]:
    """List the outputs of each group: one per group, at the same position."""
    if len(places) < n_groups:
        msg = f"`codes` has {n_groups} groups, but there is an output for {len(places)} only: give one per group."
        raise ValueError(msg)
    return [[place] for place in places[:n_groups]]


def find_outputs(outputs: str | int | Sequence[str | int] | None, names: Sequence[str]) -> list[int]:
    """Find the positions of outputs that are given by name or position; all if `None`."""
    if outputs is None:
        return list(range(len(names)))
    places = {str(name): place for place, name in enumerate(names)}
    found, unknown = [], []
    for output in as_list(outputs):
        place = places.get(output, -1) if isinstance(output, str) else int(output)
        if not 0 <= place < len(places):
            unknown.append(output)
        found.append(place)
    if unknown:
        msg = f"The target has no output {listed(unknown)}, only {listed(names)}."
        raise ValueError(msg)
    return found
