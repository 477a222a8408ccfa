"""Tables of features that somebody else has made, such as embeddings of genes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from scpi._features._rows import find_rows, take_rows, unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Table: TypeAlias = "pd.DataFrame | str | os.PathLike[str]"
_TEXT = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def read_table(table: Table, *, what: str, index: bool) -> pd.DataFrame:
    """A table of numbers or words, from a data frame or a file, whose first column is the index if there is one.

    Files are Parquet, CSV or TSV, plain or gzipped, or NPZ, which holds a matrix and the names of its rows.
    """
    if isinstance(table, pd.DataFrame):
        return table
    if not isinstance(table, str | os.PathLike):
        msg = f"{what} must be a DataFrame or the path of a file, not {type(table).__name__}."
        raise TypeError(msg)
    path = Path(table).expanduser()
    if not path.is_file():
        msg = f"There is no file {str(path)!r} of {what}."
        raise FileNotFoundError(msg)
    kinds = [suffix.lower() for suffix in path.suffixes]
    try:
        if ".npz" in kinds:
            return _of_npz(path)
        if ".parquet" in kinds:
            found = pd.read_parquet(path)
            return found.set_index(found.columns[0]) if index and isinstance(found.index, pd.RangeIndex) else found
        separator = next((_TEXT[kind] for kind in kinds if kind in _TEXT), None)
        if separator is not None:
            return pd.read_csv(path, sep=separator, index_col=0 if index else None)
    except (OSError, ValueError, KeyError) as error:
        msg = f"The file {str(path)!r} of {what} cannot be read: {' '.join(str(error).split())}"
        raise ValueError(msg) from error
    msg = f"The file {str(path)!r} of {what} must be .parquet, .npz, .csv or .tsv."
    raise ValueError(msg)


def _of_npz(path: Path) -> pd.DataFrame:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    matrices = [array for array in arrays.values() if array.ndim == 2]
    names = [array for array in arrays.values() if array.ndim == 1 and array.dtype.kind in "US"]
    if len(matrices) != 1 or len(names) != 1 or len(names[0]) != len(matrices[0]):
        shapes = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
        msg = f"it must hold one matrix and the text names of its rows, but has {shapes}"
        raise ValueError(msg)
    return pd.DataFrame(matrices[0], index=names[0])


def numbers_of(table: pd.DataFrame, *, what: str) -> NDArray[np.float64]:
    """Numeric columns of a table; a `ValueError` if there is none, or a value is not finite."""
    numeric = table.select_dtypes("number").to_numpy(dtype=np.float64)
    if not numeric.shape[1] or not np.isfinite(numeric).all():
        problem = "no column of numbers" if not numeric.shape[1] else "values that are NaN or infinite"
        msg = f"{what} has {problem}: give one row per perturbation or gene, named by the index, and finite numbers."
        raise ValueError(msg)
    return numeric


def features_of_table(ids: Sequence[str], table: Table, *, what: str, case: str) -> tuple[Any, list[str]]:
    """Rows of an embedding, less their mean over the perturbations that have one, and the names of its columns."""
    frame = read_table(table, what=what, index=True)
    values = numbers_of(frame, what=what)
    rows = find_rows(ids, frame.index.astype(str).tolist(), case=case, what=what)
    taken, known = take_rows(values, rows), rows >= 0
    taken[known] -= taken[known].mean(axis=0)
    return unit_rows(taken), [str(name) for name in frame.select_dtypes("number").columns]
