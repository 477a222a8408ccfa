from __future__ import annotations

import pandas as pd

from scpi.benchmark.grid import collect, run
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._kinds._prediction import compute
from scpi.benchmark.grid._plan import make_plan


def test_a_prediction_has_the_scores_that_the_folder_keeps(tiny, tmp_path, inline):
    grid, folder = tiny(ceiling=False), Folder(tmp_path / "out")
    run(grid, folder.root, executor=inline(), progress=False)
    plan = make_plan(grid, folder)
    task = next(one for one in plan.tasks if one.model == "additive")
    found = compute(plan, task, folder)
    kept = collect(folder.root).query("model == 'additive' and split == @task.split").reset_index(drop=True)
    columns = ["perturbation", "rmse", "mae", "leak_risk", "leaks"]
    pd.testing.assert_frame_equal(found.table[columns], kept[columns])
    assert (found.cells, found.n_parameters) == (None, 0)
