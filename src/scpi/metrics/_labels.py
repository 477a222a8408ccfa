"""Labels of cells: what the metrics of clusterings share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Labels: TypeAlias = ArrayLike | pd.Series | pd.Categorical | Sequence[Any]


def encode(labels: Labels, name: str) -> tuple[NDArray[np.intp], list[Any]]:
    """Return the code of each cell, and the labels that occur, in the order of categories or sorted."""
    shape = np.shape(labels)
    if len(shape) != 1:
        msg = f"`{name}` must be one label for each cell, but has shape {shape}."
        raise ValueError(msg)
    # NumPy turns a missing value in a list of strings into the text "nan"
    values: Any = labels if hasattr(labels, "dtype") else pd.Series(labels, dtype=object)
    if isinstance(values.dtype, pd.CategoricalDtype):
        categorical = pd.Categorical(values).remove_unused_categories()
        codes, found = categorical.codes, categorical.categories
    else:
        codes, found = pd.factorize(values, sort=True)
    n_missing = int((codes < 0).sum())
    if n_missing:
        msg = f"`{name}` has {n_missing} missing value(s): leave these cells out."
        raise ValueError(msg)
    if len(codes) == 0:
        msg = f"`{name}` has no cells."
        raise ValueError(msg)
    return np.asarray(codes, dtype=np.intp), list(found.tolist())


def encode_both(labels: Labels, truth: Labels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Codes of two labellings of the same cells."""
    first, second = encode(labels, "labels")[0], encode(truth, "truth")[0]
    check_length(len(first), len(second), "truth")
    return first, second


def check_length(n_labels: int, n_other: int, name: str) -> None:
    """Refuse labels of different cells."""
    if n_labels != n_other:
        msg = f"`labels` has {n_labels} cells and `{name}` {n_other}: they must be the same cells."
        raise ValueError(msg)
