"""The result of a task: cells in, scores out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._quiet import quiet_lightning
from scpi.benchmark._check_models import check_models
from scpi.benchmark._guards._play import game_rows
from scpi.benchmark._guards._ways import GAMES, WAYS
from scpi.benchmark._model_spec import ModelSpec
from scpi.benchmark._run import Computed, Run
from scpi.benchmark._task import make_tasks
from scpi.benchmark.grid import _grid_model
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._divide import make_splits, visible_cells
from scpi.benchmark.grid._grid_model import GridNull
from scpi.benchmark.grid._leaks import audited, leak_columns
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._plan import REFERENCES

if TYPE_CHECKING:
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_model import GridModel
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan


def compute(plan: Plan, task: GridTask, folder: Folder) -> Computed:
    """Scores of the conditions of a task, the predicted cells where the grid keeps them, and the size of the model."""
    grid, data = plan.grid, plan.grid.data[task.data]
    adata = visible_cells(data, grid.splits[task.scheme], read_cells(data, plan.words[task.data], folder))
    split = make_splits(data, grid.splits[task.scheme], adata)[task.fold]
    (asked,) = make_tasks(
        adata,
        split,
        setup=data.setup,
        layer=data.layer,
        metrics=list(grid.metrics or ()),
        n_cells=grid.n_cells,
        n_components=grid.n_components,
        exclude_targets=grid.exclude_targets,
    )
    leaks = audited(plan, task, folder, adata, split)
    spec = _spec(plan, task)
    with quiet_lightning():
        if task.model == GAMES:
            table = game_rows(asked, task.seed, list(WAYS)).assign(seconds=0.0)
            found = Computed(table.assign(model=f"{GAMES}: " + table["model"]), None, None)
        else:
            found = _run(Run(name=task.model, spec=spec, task=asked, seed=task.seed), keep_cells=grid.keep_predictions)
    table = found.table.assign(data=task.data, scheme=task.scheme, **leak_columns(leaks))
    return found._replace(table=table)


def _run(run: Run, *, keep_cells: bool) -> Computed:
    """Scores of a model, or of the noise ceiling and the bounds beside it."""
    if run.spec is not None:
        check_models(run.task, {run.name: run.spec}, seed=run.seed)
    found = run.compute(keep_cells=keep_cells)
    if run.spec is not None:
        return found
    return found._replace(table=pd.concat([found.table, run.bounds()], ignore_index=True))


def configuration(plan: Plan, task: GridTask) -> dict[str, Any]:
    """All that a task depends on, as JSON has it."""
    grid = plan.grid.to_dict()
    model = _model(plan, task)
    shared = ("metrics", "n_cells", "n_components", "exclude_targets", "keep_predictions")
    return {
        **task._asdict(),
        "data_settings": grid["data"][task.data] | {"hash": plan.words[task.data]},
        "split_settings": grid["splits"][task.scheme],
        "model_settings": None if model is None else asdict(model),
        **{name: grid[name] for name in shared},
    }


def _model(plan: Plan, task: GridTask) -> GridModel | None:
    """Model of a task with the settings that it has there; ``None`` where there is no model."""
    if task.model in REFERENCES:
        return None
    model = plan.grid.variants()[task.model]
    return replace(model.settings_on(data=task.data, scheme=task.scheme, split=task.split), tuned=(), tune={})


def _spec(plan: Plan, task: GridTask) -> ModelSpec | None:
    """How the model of a task is trained; ``None`` where there is no model."""
    model = _model(plan, task)
    if model is None:
        return None
    names = ("layer", "setup", "init", "train", "predict", "validation_size")
    cls = look_up(str(model.model), _grid_model.ROOM)
    settings = {name: getattr(model, name) for name in names}
    return ModelSpec(model=cls, is_null=isinstance(model, GridNull), **settings)
