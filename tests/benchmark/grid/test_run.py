"""Whole runs in processes of their own, which share a folder or are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from scpi.benchmark.grid import LocalExecutor, collect, run, status, table_hash

pytestmark = pytest.mark.slow


def start(grid, folder, out, *, host, workers=1):
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(grid.to_dict()), encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "scpi.cli", "benchmark", "run", str(file), "--out", str(out), "-j", str(workers)],
        env=os.environ | {"SCPI_HOST": host, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finished(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "tasks").glob("*/metrics.parquet")}


@pytest.fixture
def noted(tiny, folder):
    """Thirty tasks of a model that notes each training."""
    (folder / "trained").unlink(missing_ok=True)
    return tiny(models={"noted": "grid_models:Noted"}, seeds=[*range(10)], ceiling=False)


def test_two_machines_share_a_folder_and_no_task_is_done_twice(noted, folder, tmp_path):
    out = tmp_path / "out"
    machines = [start(noted, folder, out, host=host) for host in ("laptop", "cluster")]
    assert [machine.wait(timeout=600) for machine in machines] == [0, 0]
    found = status(out)
    assert found.is_finished and not found.attempts
    assert len((folder / "trained").read_text(encoding="utf-8")) == len(found.tasks) == 30
    assert len(list((out / "attempts").glob("[!.]*"))) == 30
    hosts = {json.loads(p.read_text(encoding="utf-8"))["host"] for p in (out / "tasks").glob("*/environment.json")}
    assert hosts == {"laptop", "cluster"}


def test_a_run_that_is_killed_goes_on(noted, folder, tmp_path):
    out = tmp_path / "out"
    before = {}
    for n in (3, 8, 13):
        process = start(noted, folder, out, host="here", workers=2)
        while len(finished(out)) < n:
            time.sleep(0.02)
        for attempt in (out / "scratch").glob("*"):
            owner = json.loads((out / "attempts" / attempt.name).read_text(encoding="utf-8"))
            os.kill(owner["pid"], signal.SIGKILL)
            break
        process.kill()
        process.wait()
        now = finished(out)
        assert before.items() <= now.items()
        before = now
    assert start(noted, folder, out, host="here", workers=2).wait(timeout=600) == 0
    found = status(out)
    assert found.is_finished and before.items() <= finished(out).items()
    assert {one.kind for one in found.attempts} <= {"killed"}
    run(noted, tmp_path / "whole", executor=LocalExecutor(2), progress=False)
    assert table_hash(collect(out)) == table_hash(collect(tmp_path / "whole"))
