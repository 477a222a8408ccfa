from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


def as_list(value: T | Iterable[T]) -> list[T]:
    """Items of an argument that may be a single one: a string is one item, not its letters.

    Parameters
    ----------
    value
        One item, or several.

    Returns
    -------
    The items in a list.

    Examples
    --------
    >>> as_list("A+B"), as_list(["A", "B"]), as_list(0)
    (['A+B'], ['A', 'B'], [0])
    """
    if isinstance(value, str) or np.ndim(value) == 0 and not hasattr(value, "__iter__"):  # type: ignore[call-overload]
        return [value]  # type: ignore[list-item]
    return list(value)  # type: ignore[arg-type]
