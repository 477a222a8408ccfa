from __future__ import annotations

import pytest

from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._grid_task import read_plan
from scpi.benchmark.grid._plan import make_plan


def test_tasks_are_read_without_the_grid(tiny, tmp_path):
    there = Folder(tmp_path / "out")
    there.make()
    plan = make_plan(tiny(), there)
    plan.write(there)
    word, content, tasks = read_plan(there)
    assert word == plan.word and tasks == plan.tasks and content["grid"]["seeds"] == [0]
    assert tasks[0].title == "nothing, planted, pairs part 1 of 3, seed 0"
    with pytest.raises(FileNotFoundError, match="holds no grid"):
        read_plan(there, "another")
