"""Translation of the ids of genes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import pandas as pd

IdMap: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | Mapping[str, str]"


def read_id_map(id_map: IdMap) -> dict[str, str]:
    """Read a translation of ids: a mapping, or the first two columns of a table or of a file."""
    if isinstance(id_map, Mapping):
        return {str(key): str(value) for key, value in id_map.items()}
    if isinstance(id_map, str | os.PathLike):
        path = Path(id_map).expanduser()
        if not path.is_file():
            msg = f"There is no file {str(path)!r} to map ids with."
            raise FileNotFoundError(msg)
        # Where rows have one field more than the header, as R writes them, pandas takes the first for row names
        id_map = pd.read_csv(path, sep="," if ".csv" in path.suffixes else "\t", dtype=str)
    if not isinstance(id_map, pd.DataFrame):
        msg = f"`id_map` must be a path, a DataFrame or a mapping, not {type(id_map).__name__}."
        raise TypeError(msg)
    if id_map.shape[1] < 2:
        msg = f"`id_map` must have two columns, the ids of the data and those of the sets, but has {id_map.shape[1]}."
        raise ValueError(msg)
    pairs = id_map.iloc[:, :2].dropna().astype(str)
    return dict(zip(pairs.iloc[:, 0], pairs.iloc[:, 1], strict=True))
