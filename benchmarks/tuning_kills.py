"""Tuning with 50 trials that is killed (SIGKILL) five times: twice the coordinator, once a worker that writes, once two workers.

All trials must be complete, none left at work, and the trials and the best must be those of a run that nobody killed::

    python tuning_kills.py --out results/tuning_kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import grid_kills
import optuna
from _results import store

from scpi.benchmark import grid
from scpi.model import Additive


class Scaled(Additive):
    """Additive changes times a factor, which is what is tuned."""

    def train(self, *, factor: float = 1.0, **kwargs: Any) -> None:
        super().train(**kwargs)
        self._factor = factor

    def _change(self, design: Any, control: Any) -> Any:
        return self._factor * super()._change(design, control)


def make(n_trials: int) -> grid.Grid:
    """One division, whose training cells are divided in two: two tasks for each trial."""
    model = {"model": "tuning_kills:Scaled", "tune": {"train.factor": {"low": 0.0, "high": 2.0}}}
    planted = grid_kills.make(1).data["planted"]
    return grid.Grid(
        data={"planted": planted},
        splits={"cells": grid.GridSplit(by="random_cells", arguments={"n_splits": 1})},
        models={"scaled": grid.GridModel(**model)},
        metrics=["rmse"],
        tuning=grid.GridTuning(
            n_trials=n_trials,
            objectives="rmse",
            inner={"cells": grid.GridSplit(by="random_cells", arguments={"n_splits": 2})},
        ),
    )


def start(made: grid.Grid, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """The command, in a process that can be killed."""
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(made.to_dict()), encoding="utf-8")
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "scpi.cli", "benchmark", "tune", str(file), "--out", str(out), "-j", str(workers)]
    env = os.environ | {"PYTHONPATH": path}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def trials(out: Path) -> list[tuple[str, dict[str, Any], list[float]]]:
    """What the study says of each trial."""
    storage = f"sqlite:///{out / 'study.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return [
        (one.state.name, one.params, one.values) for one in optuna.load_study(study_name=name, storage=storage).trials
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--out", type=Path, help="File for the result.")
    args = parser.parse_args()
    made, n = make(args.trials), 2 * args.trials
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        began = time.perf_counter()
        assert start(made, whole, args.workers).wait() == 0
        seconds = time.perf_counter() - began
        coordinator, kills = start(made, killed, args.workers), []
        plan = {"coordinator": (0.15, 0.55), "two workers": (0.3,), "writer": (0.45,)}
        for part, what in sorted((part, what) for what, parts in plan.items() for part in parts):
            kills.append([what, len(grid_kills.kill(killed, coordinator, what, int(part * n)))])
            if what == "coordinator":
                coordinator = start(made, killed, args.workers)
        code = coordinator.wait()
        states = [state for state, _, _ in trials(killed)]
        text = [(path / "best.yaml").read_text(encoding="utf-8") for path in (whole, killed)]
        result = {
            "trials": len(states),
            "workers": args.workers,
            "seconds_unkilled": round(seconds, 1),
            "kills": kills,
            "exit_code": code,
            "complete": states.count("COMPLETE"),
            "running": states.count("RUNNING"),
            "same_trials": trials(whole) == trials(killed),
            "same_best": text[0] == text[1],
        }
    print(json.dumps(result, indent=1))
    if args.out:
        store(args.out, result)


if __name__ == "__main__":
    main()
