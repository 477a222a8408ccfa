"""The grid of one setting that is tried: the inner divisions of one outer division."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scpi.benchmark.grid._grid_split import GridFold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scpi.benchmark.grid._grid import Grid
    from scpi.benchmark.grid._grid_tuning import GridTuning


@dataclass(frozen=True, kw_only=True)
class Target:
    """A model on one division of some data, for which settings are looked for."""

    model: str
    data: str
    scheme: str
    fold: int
    split: str

    inner_scheme: str
    """Name of the divisions of the training cells."""

    @property
    def title(self) -> str:
        """Name for a reader."""
        return f"{self.model}, {self.data}, {self.inner_scheme}"


def trial_grid(grid: Grid, tuning: GridTuning, target: Target, settings: Mapping[str, Any], name: str) -> Grid:
    """The model with some settings, under a name, on divisions of the training cells of a target."""
    outer = grid.splits[target.scheme]
    inside = GridFold(by=outer.by, arguments=outer.arguments, fold=target.fold)
    inner = tuning.inner.get(target.scheme, outer)
    model = replace(grid.models[target.model].with_settings(settings), tune={}, tuned=(), matched_null=False)
    return replace(
        grid,
        data={target.data: grid.data[target.data]},
        splits={target.inner_scheme: replace(inner, data=[target.data], inside=inside)},
        models={name: replace(model, data=[target.data], splits=[target.inner_scheme])},
        metrics=tuning.objectives,
        seeds=tuning.seeds,
        ceiling=False,
        keep_predictions=False,
        tuning=None,
    )
