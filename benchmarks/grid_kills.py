"""A grid of 200 tasks that is killed (SIGKILL) five times: twice the coordinator, once a worker that writes, once two workers.

Its table must be that of a run that nobody killed, no result may be lost or written again, and no task may be finished twice::

    python grid_kills.py --out results/grid_kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from _results import store

from scpi.benchmark import grid


def make(n_splits: int) -> grid.Grid:
    """Twenty tasks for each split, which take a fraction of a second."""
    return grid.Grid(
        data={
            "planted": grid.GridData(
                simulator="plant_screen",
                seed=0,
                arguments={"n_perturbations": 3, "n_cells": 30, "n_control": 120, "n_decoy_sets": 0},
                normalise=True,
            )
        },
        splits={"cells": grid.GridSplit(by="random_cells", arguments={"n_splits": n_splits})},
        models={name: grid.GridModel(model=name) for name in ("Additive", "Linear", "MeanDelta", "NoChange")},
        metrics=["pearson", "rmse", "discrimination"],
        seeds=[*range(5)],
        ceiling=False,
        keep_predictions=True,
    )


def start(made: grid.Grid, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command, in a process that can be killed."""
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(made.to_dict()), encoding="utf-8")
    command = [sys.executable, "-m", "scpi.cli", "benchmark", "run", str(file), "--out", str(out), "-j", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def written(out: Path) -> dict[str, int]:
    """Finished tasks, and when each was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "tasks").glob("*/metrics.parquet")}


def workers(out: Path, *, writing: bool) -> list[int]:
    """Processes at work, or those of them that write a result."""
    found = [path.name for path in (out / "scratch").glob("*") if not writing or (path / "metrics.parquet").exists()]
    files = [out / "attempts" / name for name in found]
    return [
        json.loads(file.read_text(encoding="utf-8"))["pid"] for file in files if file.exists() and file.stat().st_size
    ]


def kill(out: Path, coordinator: subprocess.Popen[bytes], what: str, after: int) -> list[int]:
    """Wait for a number of results, and kill; the numbers of the processes."""
    while len(written(out)) < after:
        time.sleep(0.05)
    if what == "coordinator":
        coordinator.kill()
        coordinator.wait()
        return [coordinator.pid]
    wanted = 2 if what == "two workers" else 1
    while True:
        found = workers(out, writing=what == "writer")[:wanted]
        if len(found) == wanted:
            # One may have ended by itself meanwhile
            with suppress(ProcessLookupError):
                for pid in found:
                    os.kill(pid, signal.SIGKILL)
                return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--splits", type=int, default=10, help="Twenty tasks for each.")
    parser.add_argument("--out", type=Path, help="File for the result.")
    args = parser.parse_args()
    made, n = make(args.splits), 20 * args.splits
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        began = time.perf_counter()
        assert start(made, whole, args.workers).wait() == 0
        seconds = time.perf_counter() - began
        coordinator, kills, rewritten, before = start(made, killed, args.workers), [], 0, {}
        plan = {"coordinator": (0.15, 0.55), "two workers": (0.3,), "writer": (0.45,)}
        for part, what in sorted((part, what) for what, parts in plan.items() for part in parts):
            kills.append([what, len(kill(killed, coordinator, what, int(part * n)))])
            now = written(killed)
            rewritten += sum(now.get(task) != at for task, at in before.items())
            before = now
            if what == "coordinator":
                coordinator = start(made, killed, args.workers)
        code = coordinator.wait()
        rewritten += sum(written(killed).get(task) != at for task, at in before.items())
        status = grid.status(killed)
        kinds = [one.kind for one in status.attempts]
        finished = [
            json.loads(p.read_text(encoding="utf-8"))["attempt"] for p in (killed / "tasks").glob("*/environment.json")
        ]
        result = {
            "tasks": len(status.tasks),
            "workers": args.workers,
            "seconds_unkilled": round(seconds, 1),
            "kills": kills,
            "exit_code": code,
            "finished": status.counts["finished"],
            "lost_or_written_again": rewritten,
            "attempts": len(list((killed / "attempts").glob("[!.]*"))),
            "attempts_that_finished": len(finished),
            "attempts_that_were_killed": kinds.count("killed"),
            "finished_twice": kinds.count("superseded"),
            "same_table": grid.table_hash(grid.collect(whole)) == grid.table_hash(grid.collect(killed)),
        }
    print(json.dumps(result, indent=1))
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
