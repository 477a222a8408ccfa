"""Small grids, and models that fail in all ways."""

from __future__ import annotations

import os
import sys

import pytest

from scpi.benchmark.grid import Grid, run_task

MODELS = """
import os
import signal
import time
from pathlib import Path

import numpy as np

from scpi.model import Additive, NoChange

FOLDER = Path(__file__).parent


class Noted(NoChange):
    '''Notes that it was trained.'''

    def train(self, **kwargs):
        with (FOLDER / "trained").open("a") as file:
            file.write("x")
        super().train(**kwargs)


class Broken(NoChange):
    def train(self, **kwargs):
        print("on the way", flush=True)
        raise RuntimeError("it does not\\nwork")


class Killed(NoChange):
    '''Is killed until a file is there, as many times as it is long.'''

    def train(self, *, times=1, **kwargs):
        with (FOLDER / "kills").open("a") as file:
            file.write("x")
        if (FOLDER / "kills").stat().st_size <= times:
            os.kill(os.getpid(), signal.SIGKILL)
        super().train(**kwargs)


class Greedy(NoChange):
    '''Takes memory, for a while.'''

    def train(self, *, megabytes, seconds=1.5, **kwargs):
        block = np.ones(megabytes * 125_000)
        time.sleep(seconds)
        super().train(**kwargs)
        del block


class Scaled(Additive):
    '''Additive changes times a factor.'''

    def train(self, *, factor=1.0, fails=False, **kwargs):
        if fails:
            raise RuntimeError("it fails")
        super().train(**kwargs)
        self.factor = factor

    def _change(self, design, control):
        return self.factor * super()._change(design, control)


class Reader(NoChange):
    '''Takes the name of an entry of the data.'''

    def train(self, *, representation, **kwargs):
        super().train(**kwargs)


class NoMemory(NoChange):
    def train(self, **kwargs):
        raise MemoryError
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a module of models."""
    folder = tmp_path_factory.mktemp("grid")
    (folder / "grid_models.py").write_text(MODELS, encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("grid_models", None)


PLANTED = {
    "simulator": "plant_screen",
    "seed": 0,
    "arguments": {"n_perturbations": 3, "n_cells": 12, "n_control": 40, "n_decoy_sets": 0},
    "normalise": True,
}
TINY = {
    "data": {"planted": PLANTED},
    "splits": {"pairs": {"by": "leave_combinations_out", "arguments": {"n_splits": 3}}},
    "models": {"nothing": "NoChange", "additive": "Additive"},
    "metrics": ["rmse", "mae"],
    "seeds": [0],
}


@pytest.fixture(scope="session")
def tiny():
    """A function that makes a grid of six tasks of two models, and of three of the ceiling, with changes."""

    def make(**changes):
        return Grid.from_dict(TINY | changes)

    return make


class Inline:
    """Runs tasks in this process, one at a time."""

    def __init__(self, before=lambda job: None):
        self.ended, self.jobs, self.before = [], [], before

    def free(self):
        return 1

    def submit(self, jobs):
        from scpi.benchmark.grid import Ended

        for job in jobs:
            self.jobs.append(job)
            reason = self.before(job)
            if not reason:
                run_task(job.out, job.task, plan=job.plan, heartbeat=job.heartbeat, log=False)
            self.ended.append(Ended(job.task, reason or "", {"pid": 0 if reason else os.getpid()}))

    def poll(self, timeout):
        ended, self.ended = self.ended, []
        return ended

    def shrink(self):
        return "less"

    def cancel(self):
        self.cancelled = True


@pytest.fixture(scope="session")
def inline():
    return Inline
