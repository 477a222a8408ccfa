"""The result of a task: cells in, scores out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from scpi.benchmark._model_spec import ModelSpec
from scpi.benchmark.grid import _grid_model
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._divide import make_splits, visible_cells
from scpi.benchmark.grid._grid_model import GridNull
from scpi.benchmark.grid._kinds._kind import KINDS
from scpi.benchmark.grid._names import look_up
from scpi.benchmark.grid._plan import REFERENCES

if TYPE_CHECKING:
    from anndata import AnnData

    from scpi._screen._split import Split
    from scpi.benchmark._run import Computed
    from scpi.benchmark.grid._folder import Folder
    from scpi.benchmark.grid._grid_model import GridModel
    from scpi.benchmark.grid._grid_task import GridTask
    from scpi.benchmark.grid._plan import Plan


def compute(plan: Plan, task: GridTask, folder: Folder) -> Computed:
    """Scores of a task, the predicted cells if the grid keeps them, and the size of the model."""
    found = KINDS[plan.grid.task].compute(plan, task, folder)
    return found._replace(table=found.table.assign(data=task.data, scheme=task.scheme))


def cells_of(plan: Plan, task: GridTask, folder: Folder) -> tuple[AnnData, Split]:
    """Cells of a task, and their split."""
    data, scheme = plan.grid.data[task.data], plan.grid.splits[task.scheme]
    adata = visible_cells(data, scheme, read_cells(data, plan.words[task.data], folder))
    return adata, make_splits(data, scheme, adata)[task.fold]


def configuration(plan: Plan, task: GridTask) -> dict[str, Any]:
    """Everything that a task depends on, as plain data."""
    grid = plan.grid.to_dict()
    model = _model(plan, task)
    shared = ("task", "metrics", "n_cells", "n_components", "exclude_targets", "keep_predictions")
    return {
        **task._asdict(),
        "data_settings": grid["data"][task.data] | {"hash": plan.words[task.data]},
        "split_settings": grid["splits"][task.scheme],
        "model_settings": None if model is None else asdict(model),
        **{name: grid[name] for name in shared},
    }


def _model(plan: Plan, task: GridTask) -> GridModel | None:
    """Model of a task with its settings on this fold; ``None`` without a model."""
    if task.model in REFERENCES:
        return None
    model = plan.grid.variants()[task.model]
    return replace(model.settings_on(data=task.data, scheme=task.scheme, split=task.split), tuned=(), tune={})


def spec_of(plan: Plan, task: GridTask) -> ModelSpec | None:
    """Training specification of the model of a task; ``None`` without a model."""
    model = _model(plan, task)
    if model is None:
        return None
    names = ("layer", "setup", "init", "train", "predict", "validation_size")
    cls = look_up(str(model.model), _grid_model.ROOM)
    settings = {name: getattr(model, name) for name in names}
    return ModelSpec(model=cls, is_null=isinstance(model, GridNull), **settings)
