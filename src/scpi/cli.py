"""The command line: ``scpi demo``, ``scpi screen`` and ``scpi benchmark``."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scpi import __version__
from scpi._sequence import as_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scpi.benchmark.grid import Executor, GridStatus
    from scpi.screen import ScreenResult

app = typer.Typer(
    name="scpi",
    help="Perturbation prediction and interpretability for single-cell data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
benchmark_app = typer.Typer(help="Run grids of data, splits, models and seeds.", no_args_is_help=True)
app.add_typer(benchmark_app, name="benchmark")


class Likelihood(StrEnum):
    """Likelihoods of a model."""

    normal = "normal"
    nb = "nb"


class Preset(StrEnum):
    """Settings of SENAVAE that belong together."""

    scpi = "scpi"
    sena = "sena"
    zhang = "zhang"


class Encoder(StrEnum):
    """First parts of an encoder."""

    gene_sets = "gene_sets"
    mlp = "mlp"
    linear = "linear"


class Mechanism(StrEnum):
    """Structural causal models."""

    linear = "linear"
    relu = "relu"
    none = "none"


class Rows(StrEnum):
    """What the rows of a file are."""

    cells = "cells"
    conditions = "conditions"
    changes = "changes"


class Logger(StrEnum):
    """Loggers of Lightning that write files."""

    csv = "csv"
    tensorboard = "tensorboard"


_MODEL = "Model"
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and the files.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace the results of an earlier run in the folder.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was not finished in the folder.")]
Seed = Annotated[int, typer.Option(help="Seed of the split, the weights and the training.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show full tracebacks and all warnings.")]
MaxEpochs = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of training epochs.", show_default="of the model")
]
LikelihoodOption = Annotated[Likelihood, typer.Option(help="'normal' on log-normalised expression, or 'nb' on counts.")]


def _version(value: bool) -> None:
    if value:
        typer.echo(f"scpi {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Predict how cells respond to perturbations, and explain the predictions."""


@app.command()
def demo(
    out: Out,
    interaction: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="0: effects are additive. 1: they interact fully.")
    ] = 0.5,
    effect_size: Annotated[float, typer.Option(min=0.0, help="Log2 fold change of the strongest effect.")] = 1.5,
    n_cells: Annotated[int, typer.Option(min=10, help="Number of cells per perturbation and pair.")] = 150,
    max_epochs: Annotated[int, typer.Option(min=1, help="Maximum number of training epochs.")] = 30,
    likelihood: LikelihoodOption = Likelihood.normal,
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    debug: Debug = False,
) -> None:
    """Plant a screen with known truth into real blood cells, and recover it. Needs no internet connection.

    Pairs of perturbations are held out, predicted by a SENAVAE and by simple baselines, and compared with the held-out
    cells.
    """
    with _clear_errors(debug=debug):
        from scpi.datasets import plant_screen

        # Every change is relative to control cells: a large number of them reduces the noise at little cost
        adata = plant_screen(
            n_cells=n_cells, n_control=10 * n_cells, interaction=interaction, effect_size=effect_size, rng=seed
        )
        _run(
            adata,
            out=out,
            overwrite=force,
            resume=resume,
            debug=debug,
            likelihood=likelihood.value,
            max_epochs=max_epochs,
            seed=seed,
            title="Recovery of a planted screen",
        )


@app.command()
def screen(
    file: Annotated[Path, typer.Argument(help="Cells: .h5ad, .zarr, or .h5mu with --mod.", show_default=False)],
    out: Out,
    perturbation_key: Annotated[
        str, typer.Option(help="Column of obs with the labels: 'A', 'A+B', or the control.")
    ] = "perturbation",
    control: Annotated[
        list[str] | None,
        typer.Option(help="Label of the unperturbed cells; may be repeated.", show_default="control"),
    ] = None,
    delimiter: Annotated[
        str,
        typer.Option(help="String that separates the members of a combination; '' if there are no combinations."),
    ] = "+",
    unassigned: Annotated[
        list[str] | None,
        typer.Option(help="Label of cells whose perturbation is unknown; may be repeated.", show_default=False),
    ] = None,
    sample_key: Annotated[
        str | None, typer.Option(help="Column of obs with the replicate or donor of each cell.", show_default=False)
    ] = None,
    batch_key: Annotated[
        str | None, typer.Option(help="Column of obs with the technical batch of each cell.", show_default=False)
    ] = None,
    guide_key: Annotated[
        str | None, typer.Option(help="Column of obs with the guide of each cell.", show_default=False)
    ] = None,
    context_key: Annotated[
        str | None,
        typer.Option(
            help="Column of obs with a second factor, such as the cell type or a stimulus.", show_default=False
        ),
    ] = None,
    dose_key: Annotated[
        str | None, typer.Option(help="Column of obs with the dose of each perturbed cell.", show_default=False)
    ] = None,
    size_factor_key: Annotated[
        str | None, typer.Option(help="Column of obs with the depth of each cell, for counts.", show_default=False)
    ] = None,
    gene_sets: Annotated[
        Path | None, typer.Option(help="GMT file; by default, the gene sets stored with the cells.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer with counts or log-normalised values.")] = None,
    rows: Annotated[
        Rows,
        typer.Option(
            help="Rows are 'cells', profiles of 'conditions' (pseudobulk), or 'changes' of these against a control without a row."
        ),
    ] = Rows.cells,
    halves: Annotated[
        list[str] | None,
        typer.Option(
            help="Layers with profiles of two halves of the cells of each condition: give it twice.", show_default=False
        ),
    ] = None,
    mod: Annotated[str | None, typer.Option(help="Modality of an .h5mu file that contains the expression.")] = None,
    min_set_size: Annotated[int, typer.Option(min=1, help="Minimum number of measured genes per gene set.")] = 5,
    n_top_genes: Annotated[
        int, typer.Option(min=0, help="Maximum number of most variable genes to use; 0 for all.")
    ] = 5000,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(help="Condition to hold out; may be repeated. By default, a fraction of the combinations."),
    ] = None,
    hold_out_share: Annotated[float, typer.Option(help="Fraction of the combinations to hold out by default.")] = 0.25,
    predict: Annotated[
        list[str] | None, typer.Option(help="Further condition to predict, measured or not; may be repeated.")
    ] = None,
    max_epochs: MaxEpochs = None,
    likelihood: LikelihoodOption = Likelihood.normal,
    preset: Annotated[Preset, typer.Option(help="Settings of the model.", rich_help_panel=_MODEL)] = Preset.scpi,
    n_factors: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of causal factors.", show_default="chosen by cross-validation", rich_help_panel=_MODEL
        ),
    ] = None,
    encoder: Annotated[
        Encoder | None,
        typer.Option(help="First part of the encoder.", show_default="of the preset", rich_help_panel=_MODEL),
    ] = None,
    mechanism: Annotated[
        Mechanism, typer.Option(help="How causes act in the causal graph.", rich_help_panel=_MODEL)
    ] = Mechanism.linear,
    graph_penalty: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Weight of the L1 penalty on the edges.", show_default="of the preset", rich_help_panel=_MODEL
        ),
    ] = None,
    logger: Annotated[
        Logger | None,
        typer.Option(
            help="Log the training to files in a folder beside that of the report.",
            show_default="nowhere",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.", show_default="name of the file")] = None,
    seed: Seed = 0,
    force: Force = False,
    resume: Resume = False,
    debug: Debug = False,
) -> None:
    """Train on a screen, compare predictions with baselines, explain them, and write a report."""
    with _clear_errors(debug=debug):
        if gene_sets is not None and not gene_sets.expanduser().is_file():
            msg = f"There is no file {str(gene_sets)!r} (--gene-sets)."
            raise FileNotFoundError(msg)
        from scpi.screen import read_screen

        data = read_screen(file)
        if rows is not Rows.cells:
            _run_pseudobulk(
                data,
                changes=rows is Rows.changes,
                # Without a meaning where there are no cells, if they are not as they are by default
                needing_cells={
                    "--gene-sets": gene_sets,
                    "--sample-key": sample_key,
                    "--batch-key": batch_key,
                    "--guide-key": guide_key,
                    "--size-factor-key": size_factor_key,
                    "--unassigned": unassigned,
                    "--max-epochs": max_epochs,
                    "--likelihood": likelihood is Likelihood.nb,
                    "--preset": preset is not Preset.scpi,
                    "--n-factors": n_factors,
                    "--encoder": encoder,
                    "--mechanism": mechanism is not Mechanism.linear,
                    "--graph-penalty": graph_penalty,
                    "--logger": logger,
                    "--resume": resume,
                },
                out=out,
                overwrite=force,
                debug=debug,
                perturbation_key=perturbation_key,
                control=control or "control",
                delimiter=delimiter or None,
                context_key=context_key,
                dose_key=dose_key,
                layer=layer,
                halves=None if halves is None else tuple(halves),
                mod=mod,
                held_out=hold_out or "auto",
                predict=predict or (),
                title=title or file.stem,
                seed=seed,
            )
            return
        if halves:
            msg = "--halves names layers of profiles, and needs --rows conditions or --rows changes."
            raise ValueError(msg)
        settings = {
            "preset": preset.value,
            "n_factors": n_factors,
            "encoder": None if encoder is None else encoder.value,
            "mechanism": mechanism.value,
            "graph_penalty": graph_penalty,
        }
        _run(
            data,
            gene_sets,
            model_kwargs={name: value for name, value in settings.items() if value is not None},
            train_kwargs={} if logger is None else {"logger": _logger(logger, out)},
            unassigned=unassigned or (),
            sample_key=sample_key,
            batch_key=batch_key,
            guide_key=guide_key,
            context_key=context_key,
            dose_key=dose_key,
            size_factor_key=size_factor_key,
            out=out,
            overwrite=force,
            resume=resume,
            debug=debug,
            perturbation_key=perturbation_key,
            control=control or "control",
            delimiter=delimiter or None,
            layer=layer,
            mod=mod,
            min_set_size=min_set_size,
            n_top_genes=n_top_genes or None,
            held_out=hold_out or "auto",
            held_out_share=hold_out_share,
            predict=predict or (),
            max_epochs=max_epochs,
            likelihood=likelihood.value,
            title=title or file.stem,
            seed=seed,
        )


GridFile = Annotated[Path, typer.Argument(help="YAML file of the grid, or folder of its results.", show_default=False)]
GridOut = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the results.", show_default="the file without its suffix")
]
Heartbeat = Annotated[
    float, typer.Option(min=0.1, help="Seconds between signs of life; after three, other machines take a task over.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
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


@benchmark_app.command("grids")
def benchmark_grids(
    name: Annotated[str | None, typer.Argument(help="Name of a grid, to print its file.", show_default="all")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the grids that are packaged, or print the YAML file of one, to run or to change."""
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid import ready_grids
        from scpi.benchmark.grid._ready import ready_text

        if name is not None:
            typer.echo(ready_text(name), nl=False)
            return
        rows = ready_grids().to_dict("records")
        lines = [line for row in rows for line in (row["grid"], f"    {row['about']}", f"    {row['size']}")]
        _say({"grids": rows} if as_json else lines)


@benchmark_app.command("run")
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
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the tasks of a grid that have no result yet. Exit code 1 if any failed."""
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid._show import plan_lines, plan_rows, planned, slurm_lines
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        if dry_run and executor is not Where.slurm:
            plan = planned(grid, folder)
            _say(plan_rows(plan, folder) if as_json else plan_lines(plan, folder))
            return
        from scpi.benchmark.grid import Grid, SlurmExecutor, run

        runs = _executor(executor, workers, threads, memory, scheduler, limit, time_limit, option)
        if dry_run and isinstance(runs, SlurmExecutor):
            _say(slurm_lines(planned(grid, folder), folder, runs))
            return
        given = planned(grid, folder).grid if grid.is_dir() else Grid.read(grid)
        found = run(given, folder, executor=runs, retries=retries, heartbeat=heartbeat)
        _say_status(found, as_json=as_json, tasks=False)
    raise typer.Exit(0 if found.is_finished else 1)


@benchmark_app.command("tune")
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
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tune the models of a grid on its training cells. Exit code 1 if no setting of a model worked."""
    with _clear_errors(debug=debug):
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
        )
        _say(found.to_dict() if as_json else tuning_lines(found))
    raise typer.Exit(0 if all(one.front for one in found.studies) else 1)


@benchmark_app.command("status")
def benchmark_status(
    grid: GridFile,
    out: GridOut = None,
    tasks: Annotated[bool, typer.Option("--tasks", help="List all tasks.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say where the tasks of a grid stand. Exit code 1 if any failed, 75 if some have not run."""
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid import status
        from scpi.benchmark.grid._show_status import folder_of

        found = status(folder_of(grid, out))
        _say_status(found, as_json=as_json, tasks=tasks)
    raise typer.Exit(0 if found.is_finished else 1 if found.counts["failed"] else _UNFINISHED)


@benchmark_app.command("collect")
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
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid import collect, status, table_hash
        from scpi.benchmark.grid._show import write_table
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        found, path = status(folder), table or folder / "table.parquet"
        scores = collect(folder, plan=found.plan)
        write_table(scores, path)
        n = found.counts["finished"]
        said = {"table": str(path), "rows": len(scores), "hash": table_hash(scores), "finished": n}
        _say(said if as_json else [f"{len(scores):,} rows of {n:,} of {len(found.tasks):,} tasks: {path}"])
    raise typer.Exit(0 if found.is_finished else _UNFINISHED)


@benchmark_app.command("report")
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
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid import report, status
        from scpi.benchmark.grid._show_status import folder_of

        folder = folder_of(grid, out)
        found = status(folder)
        made = report(folder, plan=found.plan, folder=to, baselines=baseline, metrics=metric, title=title)
        n = found.counts["finished"]
        said = {"report": str(made.path), "tables": list(made.tables), "finished": n, "failed": found.counts["failed"]}
        _say(said if as_json else [f"Report on {n:,} of {len(found.tasks):,} tasks: {made.path}"])
    raise typer.Exit(0 if found.is_finished else _UNFINISHED)


@benchmark_app.command("export")
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
    with _clear_errors(debug=debug):
        from scpi.benchmark.grid import export

        target = folder / "export" if to is None else to
        files = export(folder, target, file_format=file_format.value, models=model, n_cells=n_cells)
        _say({"files": [str(file) for file in files]} if as_json else [f"{len(files):,} files: {target}"])


@benchmark_app.command("run-task")
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
    with _clear_errors(debug=debug):
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

    _say(found.to_dict() if as_json else status_lines(found, tasks=tasks))


def _say(what: Any) -> None:
    """Print plain data as JSON, or lines."""
    if isinstance(what, dict):
        import json

        typer.echo(json.dumps(what, indent=1))
    else:
        for line in what:
            typer.echo(line)


def _logger(kind: Logger, out: Path) -> Any:
    """A logger that writes to a folder beside that of the report."""
    from lightning.pytorch import loggers

    cls = loggers.CSVLogger if kind is Logger.csv else loggers.TensorBoardLogger
    folder = out.expanduser().absolute()
    return cls(save_dir=str(folder.with_name(f"{folder.name}-logs")), name="")


def _run(data: Any, gene_sets: Path | None = None, *, out: Path, debug: bool, **arguments: Any) -> None:
    """Run the pipeline and show its results."""
    from rich.console import Console

    from scpi._quiet import quiet_lightning
    from scpi.screen import run_screen

    with nullcontext() if debug else quiet_lightning():
        result = run_screen(data, gene_sets, out=out, console=Console(stderr=True), **arguments)
    _show(result)


def _run_pseudobulk(data: Any, *, changes: bool, needing_cells: dict[str, Any], debug: bool, **arguments: Any) -> None:
    """Run the analysis of profiles and show its results."""
    from rich.console import Console

    from scpi._mudata import resolve_modality
    from scpi._quiet import quiet_lightning
    from scpi.screen import run_pseudobulk, with_zero_control
    from scpi.screen._pseudobulk_tables import score_table, verdict

    given = [name for name, value in needing_cells.items() if value]
    if given:
        msg = f"{', '.join(given)} need cells, and rows are conditions: leave them out."
        raise ValueError(msg)
    if changes:
        data = with_zero_control(
            resolve_modality(data, arguments.pop("mod")),
            perturbation_key=arguments["perturbation_key"],
            control=as_list(arguments["control"])[0],
            layer=arguments["layer"],
        )
    with nullcontext() if debug else quiet_lightning():
        result = run_pseudobulk(data, console=Console(stderr=True), **arguments)
    console = Console()
    for note in result.notes:
        console.print(f"Note: {note}", style="dim", highlight=False)
    console.print(score_table(result))
    console.print(verdict(result), highlight=False)
    _show_report(result.out)


def _show_report(out: Path | None) -> None:
    from rich.console import Console

    if out is not None:
        Console().print(f"Report: {out / 'report.html'}", style="bold", highlight=False, soft_wrap=True)


def _show(result: ScreenResult) -> None:
    from rich.console import Console

    from scpi.screen._tables import score_table, truth_table, verdict

    console = Console()
    for note in result.notes:
        console.print(f"Note: {note}", style="dim", highlight=False)
    console.print(score_table(result))
    if result.truth is not None:
        console.print(truth_table(result))
    console.print(verdict(result), highlight=False)
    _show_report(result.out)


@contextmanager
def _clear_errors(*, debug: bool) -> Iterator[None]:
    """Report an error in one line with exit code 2, Ctrl-C with 130, and silence warnings of dependencies."""
    if debug:
        yield
        return
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except KeyboardInterrupt as stop:
        _say_why("Interrupted.", stop)
        raise typer.Exit(130) from stop
    except (KeyError, ValueError, TypeError, OSError, ImportError, NotImplementedError) as error:
        message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        _say_why(f"Error: {' '.join(message.split()) or type(error).__name__}", error)
        raise typer.Exit(2) from error


def _say_why(message: str, error: BaseException) -> None:
    """Print one line on an error, with what it says of results that were kept."""
    typer.secho(" ".join([message, *getattr(error, "__notes__", [])]), fg=typer.colors.RED, err=True)


if __name__ == "__main__":
    app()
