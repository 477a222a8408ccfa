from __future__ import annotations

import os

import pytest

from scpi.benchmark.grid import DaskExecutor, Job, LocalExecutor, collect, run, table_hash
from scpi.benchmark.grid._dask import _words
from scpi.benchmark.grid._host import job

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A cluster of one worker with two threads in this process."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.smoke("distributed")
def test_the_table_is_that_of_a_run_in_this_process(tiny, client, inline, tmp_path):
    grid = tiny(ceiling=False)
    executor = DaskExecutor(client)
    assert executor.free() == 1
    assert run(grid, tmp_path / "dask", executor=executor, progress=False).is_finished
    assert run(grid, tmp_path / "here", executor=inline(), progress=False).is_finished
    assert table_hash(collect(tmp_path / "dask")) == table_hash(collect(tmp_path / "here"))
    assert job() is None


def test_a_task_that_fails_stops_no_other(tiny, client, folder, tmp_path):
    grid = tiny(models={"broken": "grid_models:Broken", "nothing": "NoChange"}, ceiling=False)
    found = run(grid, tmp_path / "out", executor=DaskExecutor(client), progress=False)
    assert found.counts["failed"] == 3 and found.counts["finished"] == 3
    assert {one.reason for one in found.failures} == {"RuntimeError: it does not work"}


def test_what_waits_is_taken_back(client, tmp_path):
    executor = DaskExecutor(client, limit=3)
    assert executor.free() == 1
    assert executor.poll(0.1) == []
    # There is no such grid
    executor.submit([Job(out=str(tmp_path), task="t", plan="p", heartbeat=30, resources={})])
    assert executor.free() == 0
    (ended,) = executor.poll(60)
    assert ended.task == "t" and ended.reason.startswith("ended by Dask: FileNotFoundError: ")
    assert ended.owner["job"].startswith("scpi-t-")
    assert executor.shrink() == "1 worker" and executor.free() == 1
    executor.submit([Job(out=str(tmp_path), task="t", plan="p", heartbeat=30, resources={})])
    executor.cancel()
    assert executor.poll(0.0) == [] and executor.free() == 1


def test_how_a_task_ended():
    class Future:
        def __init__(self, status):
            self.status = status

        def exception(self):
            return ValueError("no\nworker")

    words = [_words(Future(status)) for status in ("finished", "error", "cancelled")]
    assert words == ["", "ended by Dask: ValueError: no worker", "ended by Dask: cancelled"]


def test_numbers_are_checked(client):
    with pytest.raises(ValueError, match=r"`threads` \(0\) and `limit` \(None\) must be positive"):
        DaskExecutor(client, threads=0)


@pytest.fixture
def cluster(folder, monkeypatch):
    """Two worker processes that know the models of the tests."""
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    monkeypatch.setenv("PYTHONPATH", path)
    options = {"processes": True, "n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.slow
def test_the_table_of_a_cluster_is_that_of_local_processes_bit_for_bit(tiny, cluster, tmp_path):
    network = {"model": "MultiTaskAE", "train": {"max_epochs": 2}}
    grid = tiny(models={"network": network, "additive": "Additive"}, metrics=["rmse", "energy_distance"])
    assert run(grid, tmp_path / "dask", executor=DaskExecutor(cluster), progress=False).is_finished
    assert run(grid, tmp_path / "here", executor=LocalExecutor(2), progress=False).is_finished
    assert table_hash(collect(tmp_path / "dask")) == table_hash(collect(tmp_path / "here"))


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_task(tiny, cluster, folder, tmp_path):
    (folder / "kills").unlink(missing_ok=True)
    grid = tiny(models={"killed": "grid_models:Killed", "nothing": "NoChange"}, ceiling=False)
    found = run(grid, tmp_path / "out", executor=DaskExecutor(cluster), heartbeat=1.0, progress=False)
    assert found.is_finished
