"""Predictions of held-out conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scpi._quiet import quiet_lightning
from scpi.benchmark._check_models import check_models
from scpi.benchmark._guards._play import game_rows
from scpi.benchmark._guards._ways import GAMES, WAYS
from scpi.benchmark._run import Computed, Run
from scpi.benchmark._task import make_tasks
from scpi.benchmark.grid._compute import cells_of, spec_of
from scpi.benchmark.grid._leaks import audited, leak_columns

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi.benchmark._task import Task
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan


def compute(plan: Plan, task: GridTask, folder: Folder) -> Computed:
    """Scores of the conditions of a task, for a model, the noise ceiling or the ways to game a score."""
    adata, asked = division(plan, task, folder)
    leaks = audited(plan, task, folder, adata, asked.split)
    spec = spec_of(plan, task)
    with quiet_lightning():
        if task.model == GAMES:
            table = game_rows(asked, task.seed, list(WAYS)).assign(seconds=0.0)
            found = Computed(table.assign(model=f"{GAMES}: " + table["model"]), None, None)
        else:
            found = _run(
                Run(name=task.model, spec=spec, task=asked, seed=task.seed), keep_cells=plan.grid.keep_predictions
            )
    return found._replace(table=found.table.assign(**leak_columns(leaks)))


def division(plan: Plan, task: GridTask, folder: Folder) -> tuple[AnnData, Task]:
    """The cells of a task, with the conditions of its fold."""
    grid, data = plan.grid, plan.grid.data[task.data]
    adata, split = cells_of(plan, task, folder)
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
    return adata, asked


def _run(run: Run, *, keep_cells: bool) -> Computed:
    """Scores of a model, or of the noise ceiling and the bounds."""
    if run.spec is not None:
        check_models(run.task, {run.name: run.spec}, seed=run.seed)
    found = run.compute(keep_cells=keep_cells)
    if run.spec is not None:
        return found
    return found._replace(table=pd.concat([found.table, run.bounds()], ignore_index=True))
