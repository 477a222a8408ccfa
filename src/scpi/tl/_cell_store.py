"""A zarr store to which the attributions of single cells are written in batches."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

# Maximum size of the units x cells x genes array in memory
_NUMBERS = 1 << 24
_MOST_CELLS = 1024


def cells_at_a_time(n_units: int, n_genes: int) -> int:
    """Compute the number of cells in a chunk of the store, which are explained together."""
    return min(max(_NUMBERS // max(n_units * n_genes, 1), 1), _MOST_CELLS)


class CellStore:
    """Store of units x cells x genes numbers. It appears when it is complete, and is removed if writing fails.

    Nothing is stored if `path` is `None`. `rows` are the positions of `cells` among all cells.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        units: Sequence[str],
        cells: pd.Index,
        genes: pd.Index,
        rows: NDArray[np.intp],
    ) -> None:
        self._path = None if path is None else Path(path).expanduser()
        self._names = {"units": units, "cells": cells, "genes": genes}
        self._rows = rows
        self._array: Any = None

    @property
    def write(self) -> Callable[[int, NDArray[np.intp], NDArray[np.float32]], None] | None:
        """Callback for the position of a unit, those of some cells, and their attributions; `None` to store nothing."""
        return None if self._path is None else self._write

    def __enter__(self) -> Self:
        if self._path is None:
            return self
        import zarr
        from anndata.io import write_elem

        if self._path.exists():
            msg = f"`store`, {str(self._path)!r}, exists already: give a new path."
            raise FileExistsError(msg)
        # Write next to it, so that a move is a rename: an incomplete store would read as zeros
        group = zarr.open_group(str(self._scratch), mode="w")
        for name, values in self._names.items():
            write_elem(group, name, np.array([str(value) for value in values], dtype=object))
        shape = tuple(len(values) for values in self._names.values())
        chunks = (1, min(cells_at_a_time(shape[0], shape[2]), max(shape[1], 1)), shape[2])
        self._array = group.create_array("saliency", shape=shape, chunks=chunks, dtype="float32")
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._array is None or self._path is None:
            return
        if kind is None:
            self._scratch.rename(self._path)
        else:
            shutil.rmtree(self._scratch)

    @property
    def _scratch(self) -> Path:
        assert self._path is not None
        return self._path.with_name(f".{self._path.name}.unfinished")

    def _write(self, unit: int, rows: NDArray[np.intp], values: NDArray[np.float32]) -> None:
        # Cells come in order, so those of a batch are consecutive in the store
        start = int(np.searchsorted(self._rows, rows[0]))
        self._array[unit, start : start + len(rows)] = values
