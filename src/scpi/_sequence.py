from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import numpy as np

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
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [cast("T", value)]
    return list(cast("Iterable[Any]", np.atleast_1d(value) if isinstance(value, np.ndarray) else value))
