"""Command line output about the tasks of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scpi._replace import replaced
from scpi.benchmark.grid._attempt import HEARTBEAT
from scpi.benchmark.grid._executor import Job
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid import Grid
from scpi.benchmark.grid._plan import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from scpi.benchmark.grid._slurm import SlurmExecutor

_MOST = 20
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def planned(grid: Path, out: Path) -> Plan:
    """The plan of a YAML file, or the newest of a folder."""
    folder = Folder(out.expanduser().absolute())
    return Plan.read(folder) if grid.is_dir() else make_plan(Grid.read(grid), folder)


def keep_plan(grid: Path, out: Path) -> str:
    """Hash of the plan of a YAML file, which the folder keeps."""
    folder = Folder(out.expanduser().absolute())
    folder.make()
    plan = planned(grid, out)
    plan.write(folder)
    return plan.word


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as parquet or as text; a `ValueError` for any other suffix."""
    if path.suffix not in (".parquet", ".csv"):
        msg = f"{str(path)!r} must end in .parquet or .csv."
        raise ValueError(msg)
    with replaced(path) as scratch:
        if path.suffix == ".csv":
            table.to_csv(scratch, index=False)
        else:
            table.to_parquet(scratch, index=False)


def plan_rows(plan: Plan, out: Path) -> dict[str, Any]:
    """Tasks of a plan, and which are finished, as JSON can hold them."""
    folder = Folder(out.expanduser().absolute())
    rows = [task._asdict() | {"finished": folder.is_finished(task.hash)} for task in plan.tasks]
    return {"out": str(folder.root), "n_tasks": len(rows), "tasks": rows}


def plan_lines(plan: Plan, out: Path) -> Iterator[str]:
    """Preview of a run."""
    rows = plan_rows(plan, out)["tasks"]
    waiting = [row for row in rows if not row["finished"]]
    yield f"{len(rows):,} tasks, of which {len(rows) - len(waiting):,} are finished in {str(out)!r}."
    for what in ("data", "scheme", "split", "model", "seed"):
        names = list(dict.fromkeys(str(row[what]) for row in rows))
        more = f", ... ({len(names)} in all)" if len(names) > _MOST else ""
        yield f"{what}: {', '.join(names[:_MOST])}{more}"
    for row in waiting[:_MOST]:
        yield f"{row['hash'][:8]}  {row['model']}, {row['data']}, {row['scheme']} {row['split']}, seed {row['seed']}"
    if len(waiting) > _MOST:
        yield f"... and {len(waiting) - _MOST:,} more: --json lists all."


def slurm_lines(plan: Plan, out: Path, executor: SlurmExecutor) -> list[str]:
    """Scripts that a run would submit to Slurm; nothing is written."""
    folder = Folder(out.expanduser().absolute())
    models = plan.grid.variants()
    jobs = [
        Job(
            out=str(folder.root),
            task=task.hash,
            plan=plan.word,
            heartbeat=HEARTBEAT,
            resources=models[task.model].resources if task.model in models else {},
        )
        for task in plan.tasks
        if not folder.is_finished(task.hash)
    ]
    return [
        executor.script(group, tasks=folder.root / "slurm" / "NUMBER.tasks", options=options)
        for options, group in executor.groups(jobs)
    ]


def as_bytes(text: str) -> float:
    """Number of bytes of a text such as ``"8GB"``; a `ValueError` if it is not one."""
    number = text.strip().upper().removesuffix("B")
    unit = number[-1:] if number[-1:] in _UNITS and not number[-1:].isdigit() else ""
    try:
        return float(number.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        msg = f"{text!r} is not an amount of memory: give it as '8GB' or '500MB'."
        raise ValueError(msg) from None
