from __future__ import annotations

import json
from pathlib import Path

from scpi.benchmark.grid import status
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._run_task import give_up
from scpi.benchmark.grid._show import keep_plan
from scpi.benchmark.grid._show_status import folder_of, status_lines


def test_the_folder_of_a_file(tmp_path):
    assert folder_of(tmp_path / "grid.yaml", None) == tmp_path / "grid"
    assert folder_of(tmp_path / "grid.yaml", Path("out")) == Path("out")
    assert folder_of(tmp_path, Path("out")) == tmp_path


def test_lines_of_a_status(tiny, tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(json.dumps(tiny().to_dict()), encoding="utf-8")
    out = folder_of(file, None)
    keep_plan(file, out)
    there = Folder(out)
    task = status(out).tasks[0]
    there.attempt(task.hash, 1).touch()
    give_up(there, f"{task.hash}.1", kind="killed", reason="killed by SIGKILL; not tried again")
    (there.tasks / "other").mkdir()
    lines = list(status_lines(status(out), tasks=True))
    assert lines[0] == "9 tasks: 0 finished, 1 failed, 8 waiting."
    assert lines[1].startswith("The folder holds 1 results of other grids")
    assert lines[2] == f"Failed: {task.title} (attempt 1): killed by SIGKILL; not tried again"
    assert lines[3].strip() == str(there.failed / f"{task.hash}.1")
    assert lines[4].startswith("Killed: ") and len(lines) == 5 + 9
    assert lines[5] == f"{task.hash}  failed   {task.title}"
