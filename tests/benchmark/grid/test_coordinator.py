from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from scpi.benchmark.grid import _coordinator, run, run_task, status
from scpi.benchmark.grid._attempt import begin
from scpi.benchmark.grid._clean import clean
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import make_plan


@pytest.fixture
def go(tmp_path):
    """A function that runs a grid in a folder."""

    def go(grid, executor, **options):
        return run(grid, tmp_path / "out", executor=executor, progress=False, **options)

    return go


def kill(job):
    """Begin a task and leave it, as a process that is killed does."""
    there = Folder(Path(job.out))
    attempt = begin(there, job.task)
    (there.scratch / attempt.name).mkdir()
    attempt.file.write_text(attempt.file.read_text().replace(f'"pid": {os.getpid()}', '"pid": 0'))
    return "killed by SIGKILL"


def test_what_is_finished_is_not_run_again(tiny, go, inline):
    executor = inline()
    found = go(tiny(), executor)
    assert found.is_finished and found.counts["finished"] == len(executor.jobs) == 9
    assert [job.task for job in executor.jobs] == [task.hash for task in found.tasks]
    again = inline()
    assert go(tiny(seeds=[0, 1]), again).is_finished and len(again.jobs) == 9
    none = inline()
    found = go(tiny(seeds=[1]), none)
    assert found.is_finished and not none.jobs and found.n_other == 9


def test_a_task_that_fails_stops_no_other_and_is_tried_again_next_time(tiny, go, inline, folder):
    grid = tiny(models={"broken": "grid_models:Broken", "nothing": "NoChange"}, ceiling=False)
    for attempt in (1, 2):
        executor = inline()
        found = go(grid, executor)
        assert found.counts["failed"] == 3 and found.counts["finished"] == 3
        assert len(executor.jobs) == (6 if attempt == 1 else 3)
        assert {one.attempt for one in found.failures} == {attempt}


def test_a_task_that_is_killed_is_tried_again_and_named(tiny, go, inline):
    killed = []

    def before(job):
        if job.task not in killed and len(killed) < 2:
            killed.append(job.task)
            return kill(job)
        return ""

    executor = inline(before)
    found = go(tiny(), executor)
    assert found.is_finished and len(executor.jobs) == 11
    assert [one.task.hash for one in found.killed] == killed
    assert {one.reason for one in found.killed} == {"killed by SIGKILL; tried again with less"}
    assert not found.failures


def test_a_task_that_is_killed_each_time_fails(tiny, go, inline, tmp_path):
    grid = tiny()
    additive = {task.hash for task in make_plan(grid, Folder(tmp_path / "none")).tasks if task.model == "additive"}
    executor = inline(lambda job: kill(job) if job.task in additive else "")
    found = go(grid, executor, retries=1)
    assert found.counts == {"finished": 6, "running": 0, "failed": 3, "lost": 0, "waiting": 0}
    assert len(found.killed) == 6 and {one.task.model for one in found.failures} == {"additive"}
    assert found.failures[0].reason == "killed by SIGKILL; not tried again after 1"
    assert len(executor.jobs) == 6 + 3 * 2


def test_no_memory_is_as_if_killed(tiny, go, inline, folder):
    executor = inline()
    found = go(tiny(models={"none": "grid_models:NoMemory"}, ceiling=False), executor, retries=2)
    assert len(executor.jobs) == 9 and found.counts["failed"] == 3
    assert {one.kind for one in found.failures} == {"memory"} and len(found.killed) == 9


def test_what_another_machine_does_is_waited_for(tiny, go, inline, tmp_path, monkeypatch):
    monkeypatch.setattr(_coordinator, "_LOOK", 0.05)
    there = Folder(tmp_path / "out")
    there.make()
    plan = make_plan(tiny(), there)
    plan.write(there)
    monkeypatch.setenv("SCPI_HOST", "elsewhere")
    attempts = {task.hash: begin(there, task.hash) for task in plan.tasks[:3]}
    done, failed, left = attempts
    monkeypatch.delenv("SCPI_HOST")

    def other():
        (there.failed / f"{failed}.1").mkdir()
        (there.failed / f"{failed}.1" / "reason.json").write_text('{"kind": "error", "reason": "no"}')
        (there.tasks / done).mkdir()
        (there.tasks / done / "metrics.parquet").touch()
        os.utime(attempts[left].file, (0, 0))

    thread = threading.Thread(target=other)
    # When the first task is asked for, it is known what the others did before
    executor = inline(lambda job: thread.start() if not thread.ident else None)
    found = go(tiny(), executor)
    thread.join()
    # Its failure is not tried again, its result not repeated, and what it left is taken over
    asked = [job.task for job in executor.jobs]
    assert failed not in asked and done not in asked and left in asked and len(asked) == 7
    assert found.counts["failed"] == 1 and found.counts["finished"] == 8
    # Two that share a folder begin at both ends
    assert asked[0] == plan.tasks[-1].hash


def test_jobs_end_with_the_one_that_asked(tiny, go, inline):
    def stop(job):
        raise KeyboardInterrupt

    executor = inline(stop)
    with pytest.raises(KeyboardInterrupt):
        go(tiny(), executor)
    assert executor.cancelled


def test_what_a_killed_process_left_is_removed_and_noted(tiny, tmp_path):
    there = Folder(tmp_path / "out")
    there.make()
    plan = make_plan(tiny(), there)
    plan.write(there)
    running, lost, old, done = (task.hash for task in plan.tasks[:4])
    for task in (running, lost, old):
        begin(there, task)
    os.utime(there.attempt(lost, 1), (0, 0))
    there.attempt(lost, 1).write_text("{}")
    os.utime(there.attempt(lost, 1), (0, 0))
    there.attempt(old, 2).touch()
    run_task(there.root, done, log=False)
    for name in (f"{running}.1", f"{lost}.1", f"{old}.1", f"{done}.1"):
        (there.scratch / name).mkdir()
        (there.scratch / name / "metrics.parquet").touch()
    clean(there)
    assert [path.name for path in there.scratch.iterdir()] == [f"{running}.1"]
    found = status(there.root)
    assert [(one.task.hash, one.kind) for one in found.killed] == [(lost, "killed")]
    assert found.counts == {"finished": 1, "running": 2, "failed": 1, "lost": 0, "waiting": 5}
