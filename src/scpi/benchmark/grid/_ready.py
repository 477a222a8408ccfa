"""Grids that come with scpi."""

from __future__ import annotations

from pathlib import Path


def ready_grids() -> dict[str, Path]:
    """Find the grids that come with scpi.

    Returns
    -------
    YAML files by name, for :meth:`scpi.benchmark.grid.Grid.read`. Data that a loader downloads are kept in ``scpi.settings.datasetdir``.
    """
    return {path.stem: path for path in sorted((Path(__file__).parent / "ready").glob("*.yaml"))}
