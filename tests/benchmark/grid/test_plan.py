from __future__ import annotations

import os
import time

import pytest

import scpi
from scpi.benchmark.grid import Grid, _plan
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._divide import make_splits
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import Plan, make_plan

TINY_PAIRS = {"by": "leave_combinations_out", "arguments": {"n_splits": 3}}


@pytest.fixture
def there(tmp_path):
    folder = Folder(tmp_path / "out")
    folder.make()
    return folder


def hashes(grid, folder):
    return [task.hash for task in make_plan(grid, folder).tasks]


def test_every_model_on_every_split_with_every_seed(tiny, there):
    plan = make_plan(tiny(seeds=[0, 1]), there)
    assert len(plan.tasks) == len({task.hash for task in plan.tasks}) == 3 * 2 * 3
    assert {task.model for task in plan.tasks} == {"nothing", "additive", "split-half ceiling"}
    assert [task.split for task in plan.tasks[::6]] == ["part 1 of 3", "part 2 of 3", "part 3 of 3"]
    assert plan.tasks[0].title == "nothing, planted, pairs part 1 of 3, seed 0"
    assert {len(task.hash) for task in plan.tasks} == {32}


def test_names_are_no_part_of_a_hash(tiny, there):
    grid = tiny()
    renamed = Grid.from_dict(
        {
            **grid.to_dict(),
            "data": {"other": grid.to_dict()["data"]["planted"]},
            "splits": {"twos": grid.to_dict()["splits"]["pairs"]},
            "models": {"none": "NoChange", "add": "Additive"},
        }
    )
    assert hashes(grid, there) == hashes(renamed, there)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": ["rmse"]},
        {"n_cells": 10},
        {"n_components": None},
        {"exclude_targets": False},
        {"keep_predictions": True},
        {"seeds": [7]},
        {"splits": {"pairs": {"by": "leave_combinations_out", "arguments": {"n_splits": 3, "rng": 1}}}},
        {"data": {"planted": {"simulator": "plant_screen", "seed": 1, "normalise": True}}},
        {
            "data": {
                "planted": {"simulator": "plant_screen", "seed": 0, "arguments": {"n_cells": 13}, "normalise": True}
            }
        },
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_result_depends_on_is(tiny, there, changes):
    assert not set(hashes(tiny(), there)) & set(hashes(tiny(**changes), there))


def test_settings_of_one_model_concern_it_alone(tiny, there):
    other = tiny(models={"nothing": "NoChange", "additive": {"model": "Additive", "validation_size": 0.1}})
    assert len(set(hashes(tiny(), there)) & set(hashes(other, there))) == 6


def test_a_matched_null_is_a_task_of_its_own(tiny, there):
    models = {"nothing": "NoChange", "additive": {"model": "Additive", "matched_null": True}}
    plan = make_plan(tiny(models=models), there)
    assert set(hashes(tiny(), there)) < {task.hash for task in plan.tasks}
    assert len(plan.tasks) == 12 and sum(task.model == "null of additive" for task in plan.tasks) == 3
    # A plan that was written makes the same models
    assert Plan(type(plan.grid).from_dict(plan.grid.to_dict()), plan.words, plan.tasks).text == plan.text


def test_one_model_may_have_a_null_on_some_data_only(tiny, there):
    planted = tiny().to_dict()["data"]["planted"]
    models = {
        "a": {"model": "Additive", "data": ["a"], "matched_null": True},
        "b": {"model": "Additive", "data": ["b"]},
    }
    grid = tiny(data={"a": planted, "b": {**planted, "seed": 1}}, models=models, ceiling=False)
    found = {(task.data, task.model) for task in make_plan(grid, there).tasks}
    assert found == {("a", "a"), ("a", "null of a"), ("b", "b")}


def test_another_version_is_another_task(tiny, there, monkeypatch):
    first = hashes(tiny(), there)
    monkeypatch.setattr(_plan, "__version__", "100.0")
    assert not set(first) & set(hashes(tiny(), there))


def of_file(path, **more):
    return {"data": {"cells": {"file": str(path), "normalise": True}}, **more}


def test_a_file_that_changes_is_other_data(tiny, there, tmp_path):
    adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=12, n_control=40, n_decoy_sets=0)
    path, moved, stored = tmp_path / "cells.h5ad", tmp_path / "moved.h5ad", tmp_path / "cells.zarr"
    adata.write_h5ad(path)
    adata.write_zarr(stored)
    first = hashes(tiny(**of_file(path)), there)
    path.rename(moved)
    assert hashes(tiny(**of_file(moved)), there) == first
    assert len(set(hashes(tiny(**of_file(stored)), there)) & set(first)) == 0
    adata.X.data[0] += 1
    adata.write_h5ad(moved)
    assert not set(hashes(tiny(**of_file(moved)), there)) & set(first)


def test_only_labels_are_read(tiny, there, tmp_path, monkeypatch):
    scpi.datasets.plant_screen(n_perturbations=3, n_cells=12, n_decoy_sets=0).write_h5ad(tmp_path / "cells.h5ad")
    plan = make_plan(tiny(**of_file(tmp_path / "cells.h5ad")), there)
    # And not again
    monkeypatch.setattr(_plan, "read_labels", None)
    assert make_plan(tiny(**of_file(tmp_path / "cells.h5ad")), there).tasks == plan.tasks


def test_splits_are_those_of_the_labels(tiny, there):
    grid = tiny()
    plan = make_plan(grid, there)
    adata = read_cells(grid.data["planted"], plan.words["planted"], there)
    found = make_splits(grid.data["planted"], grid.splits["pairs"], adata)
    expected = scpi.benchmark.splits.leave_combinations_out(adata, n_splits=3)
    assert all((a.train == b.train).all() and a.name == b.name for a, b in zip(found, expected, strict=True))


def test_splits_and_models_of_some_data_only(tiny, there):
    planted = tiny().to_dict()["data"]["planted"]
    grid = tiny(
        data={"a": planted, "b": {**planted, "seed": 1}},
        models={"nothing": {"model": "NoChange", "data": ["a"]}, "additive": "Additive"},
        splits={"pairs": {**TINY_PAIRS, "data": ["a"]}, "cells": {"by": "random_cells", "data": ["b"]}},
        ceiling=False,
    )
    found = {(task.data, task.scheme, task.model) for task in make_plan(grid, there).tasks}
    assert found == {("a", "pairs", "nothing"), ("a", "pairs", "additive"), ("b", "cells", "additive")}
    with pytest.raises(ValueError, match="no task"):
        make_plan(tiny(models={"x": {"model": "NoChange", "data": []}}, ceiling=False), there)


def test_a_plan_survives_its_file(tiny, there):
    plan = make_plan(tiny(), there)
    with pytest.raises(FileNotFoundError, match="holds no grid"):
        Plan.read(there)
    plan.write(there)
    other = make_plan(tiny(seeds=[5]), there)
    other.write(there)
    os.utime(there.plans / f"{plan.word}.json", (1, 1))
    assert Plan.read(there).tasks == other.tasks
    read = Plan.read(there, plan.word)
    assert (read.tasks, read.words, read.word) == (plan.tasks, plan.words, plan.word)
    # That of the latest run is the newest
    plan.write(there)
    assert Plan.read(there).word == plan.word
    task = plan.tasks[3]
    assert plan.find(task.hash[:8]) == task and plan.find("") is None and plan.find("x") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (of_file("nowhere.h5ad"), "data.cells: There is no file"),
        ({"models": {"a": "NoChange", "b": "NoChange"}}, "models.b: is the same model with the same settings as 'a'"),
        (
            {"splits": {"a": {"by": "random_cells"}, "b": {"by": "random_cells"}}},
            "splits.b: is the same as 'nothing, planted",
        ),
        (
            {"splits": {"a": {"by": "leave_context_out"}}},
            "splits.a: leave_context_out needs `context_key`, which is an entry of the data",
        ),
        (
            {"splits": {"a": {"by": "random_cells", "arguments": {"n": 1}}}},
            "splits.a: .*unexpected keyword argument 'n'",
        ),
        ({"data": {"planted": {"simulator": "plant_screen", "seed": 0, "arguments": {"n": 3}}}}, "unexpected keyword"),
        ({"models": {"a": "no_such_module:Model"}}, "models.a: No module named 'no_such_module'"),
        ({"data": {"planted": {"simulator": "plant_screen", "seed": 0, "control": "NT"}}}, "splits.pairs: .*NT"),
    ],
)
def test_what_is_wrong_is_named(tiny, there, changes, message):
    with pytest.raises(ValueError, match=message):
        make_plan(tiny(**changes), there)


def test_ten_thousand_tasks_are_planned_in_no_time(tiny, there):
    make_plan(tiny(), there)
    start = time.process_time()
    assert len(make_plan(tiny(seeds=[*range(1112)]), there).tasks) == 10_008
    assert time.process_time() - start < 5


def test_nothing_is_written_where_there_is_no_folder(tiny, tmp_path):
    folder = Folder(tmp_path / "none")
    assert len(make_plan(tiny(), folder).tasks) == 9
    assert not folder.root.exists()
