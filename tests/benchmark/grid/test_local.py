"""Processes of this machine, which are killed, run out of memory, or belong to a script that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scpi.benchmark.grid import LocalExecutor, _preload, collect, run, table_hash
from scpi.benchmark.grid._local import _bare_main, _few_threads, _memory_of, _words

LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the memory of processes is read")


@pytest.fixture
def go(tmp_path):
    def go(grid, *arguments, **options):
        return run(grid, tmp_path / "out", executor=LocalExecutor(*arguments, **options), progress=False)

    return go


def test_processes_make_the_table_of_one_and_a_killed_one_costs_one_task(tiny, go, tmp_path, folder):
    models = {"nothing": "NoChange", "killed": {"model": "grid_models:Killed", "validation_size": 0.1}}
    (folder / "kills").unlink(missing_ok=True)
    found = go(tiny(models=models), 2)
    assert found.is_finished and len(found.tasks) == 9
    assert [one.task.model for one in found.killed] == ["killed"]
    assert found.killed[0].reason == "killed by SIGKILL; tried again with 1 worker"
    # Nobody kills them now
    other = run(tiny(models=models), tmp_path / "other", executor=LocalExecutor(1), progress=False)
    assert other.is_finished and not other.killed
    assert table_hash(collect(tmp_path / "out")) == table_hash(collect(tmp_path / "other"))


@LINUX
@pytest.mark.slow
def test_the_largest_process_is_killed_when_memory_runs_out(tiny, go, folder):
    """Two tasks of 700 MB do not fit into 1.2 GB at a time, and one of 2 GB never does."""
    greedy = {"model": "grid_models:Greedy"}
    models = {
        "nothing": "NoChange",
        "large": greedy | {"train": {"megabytes": 700, "seconds": 4}},
        "too large": greedy | {"train": {"megabytes": 2000, "seconds": 4}},
    }
    found = go(tiny(models=models), 2, memory=1.2e9)
    assert found.counts["finished"] == 9 and found.counts["failed"] == 3
    assert {one.task.model for one in found.failures} == {"too large"}
    assert all("GB of memory, of 1.20 GB for" in one.reason for one in found.killed)
    assert any("tried again with 1 worker" in one.reason for one in found.killed)
    assert all("not tried again after 2" in one.reason for one in found.failures)


def test_a_script_needs_no_guard(tiny, tmp_path):
    """And its tasks are not run twice because it is imported by the processes."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import os
        from scpi.benchmark import grid
        open({str(tmp_path / "imported")!r}, "a").write("x")
        made = grid.Grid.from_dict({tiny(models={"nothing": "NoChange"}, ceiling=False).to_dict()!r})
        print(grid.run(made, {str(tmp_path / "out")!r}, progress=False).counts["finished"])
        """),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "3" and (tmp_path / "imported").read_text(encoding="utf-8") == "x"


def test_processes_are_ended_at_once(tiny, tmp_path, folder):
    executor = LocalExecutor(2)
    grid = tiny(
        models={"greedy": {"model": "grid_models:Greedy", "train": {"megabytes": 1, "seconds": 600}}}, ceiling=False
    )

    def stop(timeout, poll=executor.poll):
        while len(list((tmp_path / "out" / "attempts").glob("[!.]*"))) < 2:
            time.sleep(0.05)
        raise KeyboardInterrupt

    executor.poll = stop
    with pytest.raises(KeyboardInterrupt):
        run(grid, tmp_path / "out", executor=executor, progress=False)
    assert executor.free() == 2


def test_half_as_many_each_time():
    executor = LocalExecutor(5)
    assert [executor.shrink() for _ in range(3)] == ["2 workers", "1 worker", "1 worker"]
    with pytest.raises(ValueError, match=r"`n_workers` \(0\)"):
        LocalExecutor(0)


def test_words_of_how_a_process_ended():
    assert [_words(code) for code in (0, 1, 75, -9, -11, 3)] == [
        *("", "", "", "killed by SIGKILL", "killed by SIGSEGV", "ended with exit code 3")
    ]


@LINUX
def test_the_memory_of_a_process():
    block = bytearray(os.urandom(1)) * 200_000_000
    assert _memory_of(os.getpid()) > len(block)
    assert _memory_of(2**22 + 1) == 0


def test_the_environment_and_the_script_come_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    main = sys.modules["__main__"]
    with _few_threads(2), _bare_main():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "2"
        assert not hasattr(sys.modules["__main__"], "__file__")
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ
    assert sys.modules["__main__"] is main
    assert {"torch", "scvi"} <= set(_preload.__all__)
