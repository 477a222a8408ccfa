from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from scpi.benchmark.grid import _attempt
from scpi.benchmark.grid._attempt import Attempt, begin, kept_alive, look, owner_of
from scpi.benchmark.grid._folder import Folder

TASK = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    folder.make()
    return folder


def finish(folder):
    (folder.tasks / TASK).mkdir()
    (folder.tasks / TASK / "metrics.parquet").touch()


def age(attempt, seconds):
    then = time.time() - seconds
    os.utime(attempt.file, (then, then))


def rewritten(attempt, **changes):
    owner = json.loads(attempt.file.read_text(encoding="utf-8"))
    attempt.file.write_text(json.dumps(owner | changes), encoding="utf-8")


def test_one_process_owns_a_task(folder):
    assert look(folder, TASK) == ("waiting", 0)
    attempt = begin(folder, TASK)
    assert isinstance(attempt, Attempt) and attempt.number == 1 and attempt.name == f"{TASK}.1"
    assert look(folder, TASK) == ("running", 1)
    assert begin(folder, TASK) == begin(folder, TASK) == "running"
    assert owner_of(folder, TASK, 1)["pid"] == os.getpid()
    finish(folder)
    assert begin(folder, TASK) == "finished" and look(folder, TASK) == ("finished", 0)


def test_an_empty_folder_is_no_result(folder):
    (folder.tasks / TASK).mkdir()
    assert look(folder, TASK) == ("waiting", 0)


def test_a_task_that_failed_is_tried_again(folder):
    begin(folder, TASK)
    (folder.failed / f"{TASK}.1").mkdir()
    assert look(folder, TASK) == ("failed", 1)
    assert begin(folder, TASK).number == 2
    assert look(folder, TASK) == ("running", 2)


def test_a_process_of_this_machine_that_is_gone_is_taken_over_at_once(folder):
    attempt = begin(folder, TASK)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    rewritten(attempt, pid=gone.pid)
    assert look(folder, TASK) == ("lost", 1)
    # The number of a process may be that of another by now
    rewritten(attempt, pid=os.getpid(), started="1")
    assert look(folder, TASK) == ("lost", 1)
    assert begin(folder, TASK).number == 2 and attempt.is_superseded


def test_a_process_of_this_machine_that_lives_is_waited_for(folder):
    age(begin(folder, TASK, heartbeat=1), 1e4)
    assert look(folder, TASK) == ("running", 1)


@pytest.mark.parametrize("what", ["another host", "another boot", "killed before it said who it is"])
def test_other_machines_are_waited_for_three_periods(folder, what, monkeypatch):
    attempt = begin(folder, TASK)
    if what == "another host":
        monkeypatch.setenv("SCPI_HOST", "here")
    elif what == "another boot":
        rewritten(attempt, machine="here since another start", pid=10**9)
    else:
        attempt.file.write_text("", encoding="utf-8")
    age(attempt, 2.5 * _attempt.HEARTBEAT)
    assert look(folder, TASK) == ("running", 1)
    age(attempt, 3.5 * _attempt.HEARTBEAT)
    assert look(folder, TASK) == ("lost", 1)
    assert begin(folder, TASK).number == 2


def test_time_is_that_of_the_file_system(folder, monkeypatch):
    attempt = begin(folder, TASK, heartbeat=10)
    rewritten(attempt, machine="elsewhere")
    monkeypatch.setattr(time, "time", lambda: 1e12)
    assert look(folder, TASK) == ("running", 1)


def test_signs_of_life_while_a_block_runs(folder):
    attempt = begin(folder, TASK, heartbeat=0.02)
    age(attempt, 100)
    with kept_alive(attempt):
        time.sleep(0.3)
    assert time.time() - attempt.file.stat().st_mtime < 10
    age(attempt, 100)
    time.sleep(0.1)
    assert time.time() - attempt.file.stat().st_mtime > 90


def test_a_result_between_the_look_and_the_file_is_found(folder, monkeypatch):
    """One that was taken for dead may finish after all."""
    look_before = _attempt.look

    def late(*args):
        found = look_before(*args)
        finish(folder)
        return found

    monkeypatch.setattr(_attempt, "look", late)
    assert begin(folder, TASK) == "finished"


def race(root, number, host, answers):
    os.environ["SCPI_HOST"] = host
    folder = Folder(root)
    won = [task for task in range(number) if isinstance(begin(folder, f"task{task}"), Attempt)]
    answers.put((host, won))
    time.sleep(0.5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_no_task_has_two_owners(folder):
    """Four processes with two host names begin the same tasks at once, and after that take over what they left."""
    context = multiprocessing.get_context("fork")
    for round_ in (1, 2):
        answers = context.SimpleQueue()
        processes = [context.Process(target=race, args=(folder.root, 200, f"host{i % 2}", answers)) for i in range(4)]
        for process in processes:
            process.start()
        won = [answers.get()[1] for _ in processes]
        for process in processes:
            process.join()
        assert sorted(sum(won, [])) == list(range(200))
        assert sorted(path.name for path in folder.attempts.glob(f"*.{round_}")) == sorted(
            f"task{task}.{round_}" for task in range(200)
        )
        for path in folder.attempts.glob("task*"):
            os.utime(path, (0, 0))
