"""Packaged grids."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pandas as pd

from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._problem import check_choice
from scpi.benchmark.grid._yaml import read_yaml

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def ready_grids() -> pd.DataFrame:
    """List the packaged grids.

    Returns
    -------
    Table with one row per grid: ``grid`` (its name for :func:`scpi.benchmark.grid.ready_grid`), ``about`` (what it asks),
    ``size`` (conditions, and what has to be downloaded), and the names of its ``data``, ``splits`` and ``models``.
    """
    rows = []
    for name in _files():
        # The first lines of a file describe it
        about, size = (line.removeprefix("# ") for line in ready_text(name).splitlines()[:2])
        grid = ready_grid(name)
        parts = {what: ", ".join(getattr(grid, what)) for what in ("data", "splits", "models")}
        rows.append({"grid": name, "about": about, "size": size} | parts)
    return pd.DataFrame(rows)


def ready_grid(name: str) -> Grid:
    """Read a packaged grid.

    Parameters
    ----------
    name
        Name of the grid in :func:`scpi.benchmark.grid.ready_grids`.

    Returns
    -------
    The grid. Modify it with :func:`dataclasses.replace`, or edit the file that ``scpi benchmark grids NAME`` prints.

    Raises
    ------
    ValueError
        If the grid does not exist.
    """
    value, _ = read_yaml(ready_text(name), name)
    return Grid.from_dict(value)


def ready_text(name: str) -> str:
    """The YAML file of a packaged grid."""
    files = _files()
    check_choice(name, files, "grid", "ready_grid")
    return files[name].read_text(encoding="utf-8")


def _files() -> dict[str, Traversable]:
    folder = resources.files("scpi.benchmark.grid") / "ready"
    files = {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}
    return dict(sorted(files.items()))
