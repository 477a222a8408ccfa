"""``scpi benchmark``: grids of data, splits, models and seeds."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scpi.cli._errors import clear_errors
from scpi.cli._options import AsJson, Debug, Quiet
from scpi.cli._say import say

if TYPE_CHECKING:
    from scpi.benchmark.grid import Executor, GridStatus

benchmark = typer.Typer(help="Run grids of data, splits, models and seeds.", no_args_is_help=True)

GridFile = Annotated[Path, typer.Argument(help="YAML file of the grid, or folder of its results.", show_default=False)]
GridOut = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the results.", show_default="the file without its suffix")
]
Heartbeat = Annotated[
    float, typer.Option(min=0.1, help="Seconds between signs of life; after three, other machines take a task over.")
]
_UNFINISHED = 75
_SLURM = "Slurm"


class Where(StrEnum):
    """What runs the tasks of a grid."""

    local = "local"
    dask = "dask"
    slurm = "slurm"


class ExportFormat(StrEnum):
    """What reads predicted cells."""

    cell_eval = "cell-eval"
    vcc = "vcc"


_DASK = "Dask"
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="Maximum number of processes.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of each process or job.")]
Memory = Annotated[
    str | None,
    typer.Option(
        help="Memory of all processes, such as 8GB, or of a job of Slurm, such as 8G.", show_default="no limit; 8G"
    ),
]
ExecutorName = Annotated[Where, typer.Option(help="Processes of this machine, workers of Dask, or jobs of Slurm.")]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of the scheduler, such as tcp://10.0.0.1:8786.", rich_help_panel=_DASK)
]
Limit = Annotated[int | None, typer.Option(min=1, help="Maximum number of jobs at a time.", rich_help_panel=_SLURM)]
TimeLimit = Annotated[str | None, typer.Option(help="Longest time of a job, such as 2:00:00.", rich_help_panel=_SLURM)]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(help="Option of sbatch, such as partition=gpu; may be repeated.", rich_help_panel=_SLURM),
]
Retries = Annotated[int, typer.Option(min=0, help="How often a task that was killed is tried again.")]


@benchmark.command("grids")
def benchmark_grids(
    name: Annotated[str | None, typer.Argument(help="Name of a grid, to print its file.", show_default="all")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the grids that are packaged, or print the YAML file of one, to run or to change."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import ready_grids
        from scpi.benchmark.grid._ready import ready_text

        if name is not None:
            typer.echo(ready_text(name), nl=False)
            return
        rows = ready_grids().to_dict("records")
        lines = [line for row in rows for line in (row["grid"], f"    {row['about']}", f"    {row['size']}")]
        say({"grids": rows} if as_json else lines)


@benchmark.command("run")
def benchmark_run(
    grid: GridFile,
    out: GridOut = None,
    workers: Workers = 1,
    threads: Threads = 1,
    memory: Memory = None,
    executor: ExecutorName = Where.local,
    scheduler: Scheduler = None,
    limit: Limit = None,
    time_limit: TimeLimit = None,
    option: SlurmOption = None,
    retries: Retries = 2,
    heartbeat: Heartbeat = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the tasks, and run none.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the tasks of a grid that have no result yet. Exit code 1 if any failed."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid._show import plan_lines, plan_rows, planned, slurm_lines
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        if dry_run and executor is not Where.slurm:
            plan = planned(grid, folder)
            say(plan_rows(plan, folder) if as_json else plan_lines(plan, folder))
            return
        from scpi.benchmark.grid import Grid, SlurmExecutor, run

        runs = _executor(executor, workers, threads, memory, scheduler, limit, time_limit, option)
        if dry_run and isinstance(runs, SlurmExecutor):
            say(slurm_lines(planned(grid, folder), folder, runs))
            return
        given = planned(grid, folder).grid if grid.is_dir() else Grid.read(grid)
        found = run(given, folder, executor=runs, retries=retries, heartbeat=heartbeat, progress=not quiet)
        if as_json or not quiet:
            _say_status(found, as_json=as_json, tasks=False)
    raise typer.Exit(0 if found.is_finished else 1)


@benchmark.command("tune")
def benchmark_tune(
    grid: GridFile,
    out: GridOut = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of settings to try, of each model on each division.", show_default="that of the grid"
        ),
    ] = None,
    workers: Workers = 1,
    threads: Threads = 1,
    memory: Memory = None,
    executor: ExecutorName = Where.local,
    scheduler: Scheduler = None,
    limit: Limit = None,
    time_limit: TimeLimit = None,
    option: SlurmOption = None,
    retries: Retries = 2,
    heartbeat: Heartbeat = 30.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tune the models of a grid on its training cells. Exit code 1 if no setting of a model worked."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import tune
        from scpi.benchmark.grid._show_status import folder_of
        from scpi.benchmark.grid._tuning._show_tuning import tuning_lines

        runs = _executor(executor, workers, threads, memory, scheduler, limit, time_limit, option)
        found = tune(
            grid,
            folder_of(grid, out),
            executor=runs,
            n_trials=trials,
            retries=retries,
            heartbeat=heartbeat,
            progress=not quiet,
        )
        if as_json or not quiet:
            say(found.to_dict() if as_json else tuning_lines(found))
    raise typer.Exit(0 if all(one.front for one in found.studies) else 1)


@benchmark.command("status")
def benchmark_status(
    grid: GridFile,
    out: GridOut = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="List all tasks.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say where the tasks of a grid stand. Exit code 1 if any failed, 75 if some have not run."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import status
        from scpi.benchmark.grid._show_status import folder_of

        found = status(folder_of(grid, out))
        _say_status(found, as_json=as_json, tasks=tasks)
    raise typer.Exit(0 if found.is_finished else 1 if found.counts["failed"] else _UNFINISHED)


@benchmark.command("collect")
def benchmark_collect(
    grid: GridFile,
    out: GridOut = None,
    table: Annotated[
        Path | None,
        typer.Option(help="File for the table: .parquet or .csv.", show_default="table.parquet in the folder"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Join the scores of all finished tasks into one table. Exit code 75 if some are not finished."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import collect, status, table_hash
        from scpi.benchmark.grid._show import write_table
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        found, path = status(folder), table or folder / "table.parquet"
        scores = collect(folder, plan=found.plan)
        write_table(scores, path)
        n = found.counts["finished"]
        said = {"table": str(path), "rows": len(scores), "hash": table_hash(scores), "finished": n}
        say(said if as_json else [f"{len(scores):,} rows of {n:,} of {len(found.tasks):,} tasks: {path}"])
    raise typer.Exit(0 if found.is_finished else _UNFINISHED)


@benchmark.command("report")
def benchmark_report(
    grid: GridFile,
    out: GridOut = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the page and its tables.", show_default="report in the folder")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="Model to compare others with; may be repeated.", show_default="those of scpi"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metric or preset to show; may be repeated. Figures are of the first.", show_default="all"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.", show_default="name of the folder")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rank the models of all finished tasks on one HTML page. Exit code 75 if some are not finished."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import report, status
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        found = status(folder)
        made = report(folder, plan=found.plan, folder=to, baselines=baseline, metrics=metric, title=title)
        n = found.counts["finished"]
        said = {"report": str(made.path), "tables": list(made.tables), "finished": n, "failed": found.counts["failed"]}
        say(said if as_json else [f"Report on {n:,} of {len(found.tasks):,} tasks: {made.path}"])
    raise typer.Exit(0 if found.is_finished else _UNFINISHED)


@benchmark.command("export")
def benchmark_export(
    folder: Annotated[Path, typer.Argument(help="Folder of the results of a grid.", show_default=False)],
    file_format: Annotated[
        ExportFormat,
        typer.Option("--format", help="Files of cell-eval, or of a submission to the Virtual Cell Challenge."),
    ] = ExportFormat.cell_eval,
    to: Annotated[Path | None, typer.Option(help="Folder for the files.", show_default="export in the folder")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model to write; may be repeated.", show_default="all")
    ] = None,
    n_cells: Annotated[
        int | None,
        typer.Option(min=1, help="Number of cells of each perturbation in each context.", show_default="all"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the predicted cells of finished tasks, which `keep_predictions` keeps, as other tools read them."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid import export

        target = folder / "export" if to is None else to
        files = export(folder, target, file_format=file_format.value, models=model, n_cells=n_cells)
        say({"files": [str(file) for file in files]} if as_json else [f"{len(files):,} files: {target}"])


@benchmark.command("run-task")
def benchmark_run_task(
    grid: GridFile,
    task: Annotated[str, typer.Argument(metavar="HASH", help="Hash of the task.", show_default=False)],
    out: GridOut = None,
    heartbeat: Heartbeat = 30.0,
    plan: Annotated[str | None, typer.Option(help="Hash of the plan.", show_default="the newest")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another process that works on it.")] = False,
    debug: Debug = False,
) -> None:
    """Run one task of a grid, for workflow managers. Exit code 1 if it failed, 75 if another process works on it."""
    with clear_errors(debug=debug):
        from scpi.benchmark.grid._local import EXIT_CODES
        from scpi.benchmark.grid._run_task import run_task
        from scpi.benchmark.grid._show import keep_plan
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        plan = plan if grid.is_dir() else keep_plan(grid, folder)
        ending = run_task(folder, task, plan=plan, heartbeat=heartbeat, wait=wait)
    raise typer.Exit(EXIT_CODES[ending])


def _executor(
    where: Where,
    workers: int,
    threads: int,
    memory: str | None,
    scheduler: str | None,
    limit: int | None,
    time_limit: str | None,
    option: list[str] | None,
) -> Executor:
    """What runs the tasks of a grid."""
    from scpi.benchmark.grid import DaskExecutor, LocalExecutor, SlurmExecutor
    from scpi.benchmark.grid._show import as_bytes

    if where is Where.slurm:
        options = dict(one.split("=", 1) for one in option or ())
        return SlurmExecutor(limit=limit, cpus=threads, memory=memory or "8G", time_limit=time_limit, options=options)
    if where is Where.dask:
        if scheduler is None:
            msg = "--executor dask needs the address of a scheduler: --scheduler tcp://HOST:PORT."
            raise ValueError(msg)
        return DaskExecutor(scheduler, threads=threads, limit=limit)
    return LocalExecutor(workers, threads=threads, memory=None if memory is None else as_bytes(memory))


def _say_status(found: GridStatus, *, as_json: bool, tasks: bool) -> None:
    from scpi.benchmark.grid._show_status import status_lines

    say(found.to_dict() if as_json else status_lines(found, tasks=tasks))
