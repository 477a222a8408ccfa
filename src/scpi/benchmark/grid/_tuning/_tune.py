"""Tuning of models, on inner folds of their training cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scpi._optional import import_extra
from scpi._replace import replaced
from scpi.benchmark.grid._attempt import HEARTBEAT
from scpi.benchmark.grid._cells import prepare_cells
from scpi.benchmark.grid._claim import only_one
from scpi.benchmark.grid._clean import clean
from scpi.benchmark.grid._coordinator import Coordinator
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._grid_model import GridTuned
from scpi.benchmark.grid._grid_tuning import GridTuning
from scpi.benchmark.grid._local import LocalExecutor
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._problem import Problem
from scpi.benchmark.grid._progress import progress_bar
from scpi.benchmark.grid._tuning._study import TuningStudy
from scpi.benchmark.grid._tuning._trial_grid import Target
from scpi.benchmark.grid._tuning._tuning_result import TuningResult
from scpi.benchmark.grid._yaml import write_yaml

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from scpi.benchmark.grid._executor import Executor
    from scpi.benchmark.grid._tuning._tuning_result import StudyResult


def tune(
    grid: Grid | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    executor: Executor | None = None,
    n_trials: int | None = None,
    retries: int = 2,
    heartbeat: float = HEARTBEAT,
    progress: bool = True,
) -> TuningResult:
    """Tune the models of a grid that have ``tune``, for each fold on its training cells only.

    optuna suggests settings, which are evaluated on inner folds of the training cells, as tasks of the folder. Only
    this process reads and writes the study. It may be killed at any time and started again: running trials are resumed,
    and the same settings are tried as without an interruption.

    Parameters
    ----------
    grid
        The grid, or its YAML file.
    out
        Folder for the results, with the studies in ``study.db``, and the grid with the tuned models in ``best.yaml``,
        for :func:`scpi.benchmark.grid.run`.
    executor
        Executor of the tasks; one process at a time on this machine if ``None``.
    n_trials
        Number of trials per model and fold; that of the grid if ``None``. More trials may be added later.
    retries
        Maximum number of retries of a killed task, with fewer workers each time.
    heartbeat
        Seconds between heartbeats of a task. Another machine takes it over after three intervals without one.
    progress
        Whether to show a progress bar.

    Returns
    -------
    The results. Failed trials do not stop the others.

    Raises
    ------
    FileNotFoundError
        If the grid does not exist.
    ImportError
        If optuna or pyarrow is missing.
    RuntimeError
        If another process is tuning in the folder.
    ValueError
        If the grid or its data are invalid, or no model has ``tune``; the message names the entry.
    """
    optuna = import_extra("optuna")
    import_extra("pyarrow.parquet")
    grid = grid if isinstance(grid, Grid) else Grid.read(grid)
    tuning = grid.tuning or GridTuning()
    if n_trials is not None:
        tuning = replace(tuning, n_trials=n_trials)
    folder = Folder(Path(out).expanduser().absolute())
    folder.make()
    with only_one(folder, "tuning", heartbeat=heartbeat):
        clean(folder)
        address = f"sqlite:///{folder.root / 'study.db'}"
        # A dashboard may be reading
        storage = optuna.storages.RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}})
        studies = [TuningStudy(grid, tuning, target, storage, folder) for target in _targets(grid, folder)]
        with progress_bar(sum(study.n_tasks for study in studies), shown=progress) as show:
            coordinator = Coordinator(
                folder, executor or LocalExecutor(), retries=retries, heartbeat=heartbeat, show=show
            )
            while not all(study.is_finished for study in studies):
                for study in studies:
                    for plan, tasks in study.advance(coordinator.ended):
                        coordinator.add(plan, tasks)
                coordinator.step()
        _write_tried(studies, folder)
        results = tuple(study.result() for study in studies)
        best = tuned_grid(grid, results)
        file = folder.root / "best.yaml"
        with replaced(file) as scratch:
            scratch.write_text(write_yaml(best.to_dict(compact=True)), encoding="utf-8")
    return TuningResult(out=folder.root, storage=address, studies=results, grid=best, file=file)


def tuned_grid(grid: Grid, results: Sequence[StudyResult]) -> Grid:
    """The grid with each model, untuned and tuned."""
    models: dict[str, Any] = {}
    for name, model in grid.models.items():
        models[name] = replace(model, tune={})
        found = [one for one in results if one.model == name and one.front]
        if found:
            where = [{"data": one.data, "scheme": one.scheme, "split": one.split} for one in found]
            tuned = [GridTuned(**at, settings=one.front[0]["settings"]) for at, one in zip(where, found, strict=True)]
            models[f"{name} (tuned)"] = replace(models[name], tuned=tuned)
    return replace(grid, models=models, tuning=None)


def _targets(grid: Grid, folder: Folder) -> list[Target]:
    """All models to tune on all folds; simulated or loaded cells are created if needed."""
    models = {name: replace(model, matched_null=False) for name, model in grid.models.items() if model.tune}
    if not models:
        raise Problem("none has 'tune', the values that its settings may have.", "models")
    plan = make_plan(replace(grid, models=models, ceiling=False, seeds=[0], tuning=None), folder)
    for name in sorted({task.data for task in plan.tasks}):
        prepare_cells(grid.data[name], plan.words[name], folder)
    several = len(grid.data) > 1
    return [
        Target(
            model=task.model,
            data=task.data,
            scheme=task.scheme,
            fold=task.fold,
            split=task.split,
            inner_scheme=f"{task.scheme}{f' of {task.data}' if several else ''} without {task.split}",
        )
        for task in plan.tasks
    ]


def _write_tried(studies: Sequence[TuningStudy], folder: Folder) -> None:
    """Store a plan of all trials as the newest of the folder, so that status and collect show them."""
    grids = [grid for study in studies for grid in study.tried()]
    if grids:
        names = [name for grid in grids for name in grid.models]
        make_plan(_joined(grids, names), folder).write(folder)


def _joined(grids: Sequence[Grid], names: Sequence[str]) -> Grid:
    """Join grids of one model each; models of the same name are distinguished by their split."""
    models: dict[str, Any] = {}
    for grid, name in zip(grids, names, strict=True):
        ((_, model),) = grid.models.items()
        models[name if names.count(name) == 1 else f"{name}, {next(iter(grid.splits))}"] = model
    data = {name: one for grid in grids for name, one in grid.data.items()}
    splits = {name: one for grid in grids for name, one in grid.splits.items()}
    return replace(grids[0], data=data, splits=splits, models=models)
