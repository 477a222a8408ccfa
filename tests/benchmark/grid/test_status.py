from __future__ import annotations

import json
import time

import pytest

from scpi.benchmark.grid import collect, run, status
from scpi.benchmark.grid._attempt import begin
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._progress import progress_bar


@pytest.fixture
def planned(tiny, tmp_path):
    there = Folder(tmp_path / "out")
    there.make()
    plan = make_plan(tiny(), there)
    plan.write(there)
    return plan, there


def test_states_of_tasks(planned):
    plan, there = planned
    finished, running, failed, lost = (task.hash for task in plan.tasks[:4])
    (there.tasks / finished).mkdir()
    (there.tasks / finished / "metrics.parquet").touch()
    (there.tasks / "of another grid").mkdir()
    (there.tasks / plan.tasks[5].hash).mkdir()
    for task in (running, failed, lost):
        begin(there, task)
    there.attempt(lost, 1).write_text('{"machine": "x", "heartbeat": -1}', encoding="utf-8")
    (there.failed / f"{failed}.1").mkdir()
    reason = {"kind": "error", "reason": "ValueError: no"}
    (there.failed / f"{failed}.1" / "reason.json").write_text(json.dumps(reason), encoding="utf-8")
    found = status(there.root)
    assert found.counts == {"finished": 1, "running": 1, "failed": 1, "lost": 1, "waiting": 5}
    assert [one.reason for one in found.failures] == ["ValueError: no"] and found.n_other == 1
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["n_tasks"] == 9 and plain["failures"][0]["task"]["hash"] == failed and plain["running"] == 1


def test_ten_thousand_finished_tasks_are_read_in_no_time(tiny, tmp_path):
    there = Folder(tmp_path / "out")
    there.make()
    plan = make_plan(tiny(seeds=[*range(1112)]), there)
    plan.write(there)
    for task in plan.tasks:
        (there.tasks / task.hash).mkdir()
        (there.tasks / task.hash / "metrics.parquet").touch()
        (there.attempts / f"{task.hash}.1").touch()
    start = time.process_time()
    assert status(there.root).counts["finished"] == 10_008
    assert time.process_time() - start < 3


def test_without_a_grid_or_results(planned, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no grid"):
        status(tmp_path / "nothing")
    with pytest.raises(ValueError, match="No task of .* is finished"):
        collect(planned[1].root)
    with pytest.raises(FileNotFoundError, match="no file"):
        run(tmp_path / "grid.yaml", tmp_path / "none")


def test_the_bar_shows_what_runs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with progress_bar(3, shown=True) as show:
        show(1, 1, 2, "a [model], " * 20)
    shown = capsys.readouterr().err
    assert "a [model]" in shown and "2 running, 1 failed" in shown and "2/3" in shown
