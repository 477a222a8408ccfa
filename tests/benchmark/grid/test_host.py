from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scpi.benchmark.grid._host import job, machine, named_job, started


def test_a_machine_has_one_word():
    assert machine() == machine()
    command = "from scpi.benchmark.grid._host import machine; print(machine())"
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == machine()


def test_a_process_runs_until_it_ends():
    assert started(os.getpid()) == started(os.getpid()) != ""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    first = started(process.pid)
    assert first not in ("", started(os.getpid())) or not Path("/proc").exists()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    # It has ended, but its parent has not asked
    assert started(process.pid) == "" or not Path("/proc").exists()
    process.wait()
    assert started(process.pid) == ""


def test_a_job_of_slurm_has_its_place_in_the_array(monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    assert job() is None
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert job() == "7_2"
    with named_job("scpi-x"):
        assert job() == "scpi-x"
    assert job() == "7_2"


def test_a_job_is_that_of_one_thread_and_leaves_the_environment_alone(monkeypatch):
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    before = dict(os.environ)
    with ThreadPoolExecutor(1) as threads, named_job("scpi-x"):
        assert job() == "scpi-x" and threads.submit(job).result() is None
        assert dict(os.environ) == before
