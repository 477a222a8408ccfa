from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def as_list(value: Any) -> list[Any]:
    """Items of an argument that may be a single one: a string is one item, not its letters.

    Examples
    --------
    >>> as_list("A+B"), as_list(["A", "B"]), as_list(0)
    (['A+B'], ['A', 'B'], [0])
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value]
    return list(np.atleast_1d(value) if isinstance(value, np.ndarray) else value)
