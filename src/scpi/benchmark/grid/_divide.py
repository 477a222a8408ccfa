"""Divisions of the cells of a grid, and the cells that a split may see."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from scpi.benchmark.grid import _grid_split
from scpi.benchmark.grid._names import look_up

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._screen._split import Split
    from scpi.benchmark.grid._grid_data import GridData
    from scpi.benchmark.grid._grid_split import GridFold, GridSplit


def make_splits(data: GridData, split: GridSplit | GridFold, adata: AnnData) -> list[Split]:
    """All divisions that a split of a grid makes of cells."""
    function = look_up(str(split.by), _grid_split.ROOM)
    taken = inspect.signature(function).parameters
    labels = {name: value for name, value in data.setup.items() if name in taken}
    for name, value in labels.items():
        if value is None and taken[name].default is inspect.Parameter.empty:
            msg = f"{split.by} needs `{name}`, which is an entry of the data."
            raise ValueError(msg)
    found: list[Split] = function(adata, **(labels | dict(split.arguments)))
    return found


def visible_cells(data: GridData, split: GridSplit, adata: AnnData) -> AnnData:
    """The training cells of the division that a split is inside of, as if there were no others; all if it is inside of none."""
    if split.inside is None:
        return adata
    divisions = make_splits(data, split.inside, adata)
    if not 0 <= split.inside.fold < len(divisions):
        msg = f"`inside` has {len(divisions)} divisions, from 0, so that there is no {split.inside.fold}."
        raise ValueError(msg)
    # Levels that no cell has are left out of columns, so that not even the names of what is left out are known
    return adata[divisions[split.inside.fold].train].copy()
