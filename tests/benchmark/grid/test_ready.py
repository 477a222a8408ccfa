"""Grids that are packaged: the tasks of each, on small data of the form of the real ones, and one from beginning to end."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.benchmark._check_models import check_models
from scpi.benchmark._task import make_tasks
from scpi.benchmark.grid import ready_grid, ready_grids, report, run
from scpi.benchmark.grid._cells import read_cells
from scpi.benchmark.grid._compute import spec_of
from scpi.benchmark.grid._divide import make_splits
from scpi.benchmark.grid._folder import Folder
from scpi.benchmark.grid._plan import make_plan
from scpi.benchmark.grid._ready import ready_text

TYPES = [f"type {i}" for i in range(8)]
SPECIES = ["mouse", "pig", "rabbit", "rat"]
DOSES = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
# Labels of the public data, and the divisions that the splits make of them
LOADED = {
    "kang": ("kang_2018", TYPES, "cell_type", ["IFNB"], [1.0]),
    "hagai": ("hagai_2018", SPECIES, "species", ["LPS2", "LPS4", "LPS6"], [1.0]),
    "nault": ("nault_2021", TYPES[:6], "cell_type", ["TCDD"], DOSES),
    "dose_power_set": ("nault_2021", TYPES[:6], "cell_type", ["TCDD"], DOSES),
    "sciplex": ("srivatsan_2020", ["A549", "K562", "MCF7"], "cell_type", ["x", "y"], [10.0, 100.0, 1000.0, 10000.0]),
}
# Smaller than the packaged ones
SIMULATED = {
    "planted": {"n_perturbations": 4, "n_cells": 20, "n_control": 60, "n_decoy_sets": 0},
    "sena": {"n_perturbations": 4, "n_cells": 20, "n_control": 60, "n_decoy_sets": 2},
    "simulated": {"n_factors": 4, "n_cells": 20, "n_genes": 20},
    "op3_like": {"n_compounds": 6, "n_genes": 40, "n_cells": 10.0, "n_vehicle": 2},
    "sena_ablation": {"n_perturbations": 4, "n_cells": 20, "n_control": 60, "n_decoy_sets": 2},
    "dose_subsets": {"n_cells": 10, "n_genes": 30},
    "gene_programs": {"n_cells": 30, "n_genes": 60, "n_programs": 3, "n_genes_per_program": 6},
}
# Divisions x (models + noise ceiling) x 3 seeds
N_TASKS = {
    "kang": 8 * 13 * 3,
    "hagai": 4 * 8 * 3,
    "nault": (6 + 6) * 8 * 3,
    "dose_power_set": 255 * 3 * 3,
    "sciplex": 3 * 6 * 3,
    "planted": 6 * 5 * 8 * 3,
    "sena": (4 + 20 + 5 + 1) * 3,
    "sena_ablation": 2 * (3 + 10 + 1) * 3,
    "dose_subsets": 15 * 3 * 3,
    "splat": 36 * 5 * 3,
    "gene_programs": 30 * 7,
    "simulated": 4 * 5 * 6 * 3,
    "op3_like": 2 * 2 * 8 * 3,
}


def screen(contexts, key, labels, doses):
    """Ten controls and two cells of each condition per context."""
    rows = [("control", context, 0.0) for context in contexts for _ in range(10)]
    rows += [(label, c, dose) for c in contexts for label in labels for dose in doses for _ in range(2)]
    obs = pd.DataFrame(rows, columns=["perturbation", key, "dose"], index=[f"c{i}" for i in range(len(rows))])
    return ad.AnnData(np.random.default_rng(0).poisson(2, (len(rows), 30)).astype("f4"), obs=obs)


def splat(name, *, rng):
    """Cells of two groups, for any configuration that there is."""
    assert name in scpi.datasets.splat_configurations().index
    return scpi.datasets.splat(30, n_genes=40, group_prob=(0.5, 0.5), de_prob=0.5, rng=rng)


def smaller(name):
    """A packaged grid with small simulations."""
    grid = ready_grid(name)
    if name not in SIMULATED:
        return grid
    data = {key: replace(one, arguments={**one.arguments, **SIMULATED[name]}) for key, one in grid.data.items()}
    return replace(grid, data=data)


@pytest.mark.parametrize("name", N_TASKS)
def test_a_packaged_grid_can_be_planned_and_its_models_built(name, tmp_path, monkeypatch):
    if name in LOADED:
        loader, *labels = LOADED[name]
        monkeypatch.setattr(scpi.datasets, loader, lambda: screen(*labels))
    monkeypatch.setattr(scpi.datasets, "splat_benchmark", splat)
    grid, folder = smaller(name), Folder(tmp_path / "out")
    plan = make_plan(grid, folder)
    assert len(plan.tasks) == N_TASKS[name]
    assert not list(tmp_path.iterdir())
    if grid.task != "prediction":
        # Nothing but a training tells whether these can be built: the kinds have tests of it
        return
    task, data = plan.tasks[0], grid.data[plan.tasks[0].data]
    adata = read_cells(data, plan.words[task.data], folder)
    numbers = {"n_cells": 10, "n_components": 2, "exclude_targets": True}
    split = make_splits(data, grid.splits[task.scheme], adata)[:1]
    (asked,) = make_tasks(adata, split, setup=data.setup, layer=data.layer, metrics=["rmse"], **numbers)
    check_models(asked, {one: spec_of(plan, task._replace(model=one)) for one in grid.variants()}, seed=0)


def test_all_packaged_grids_are_listed():
    found = ready_grids().set_index("grid")
    assert set(found.index) == N_TASKS.keys()
    assert found["about"].str.len().min() > 40 and found["size"].str.contains("x").all()
    assert found.loc["kang", "data"] == "kang" and "SCGEN" in found.loc["kang", "models"]


def test_a_grid_that_is_not_packaged():
    with pytest.raises(ValueError, match="unknown grid 'kangg', did you mean 'kang'?"):
        ready_grid("kangg")
    assert ready_text("planted").startswith("# Screens planted")


@pytest.mark.parametrize(
    ("name", "best", "arguments"),
    [
        ("planted", "additive", {"n_splits": 1}),
        ("simulated", "additive", {"n_splits": 1}),
        ("op3_like", "mean change", {"contexts": ["B cells"]}),
    ],
)
def test_a_packaged_grid_runs_from_beginning_to_end(name, best, arguments, tmp_path, inline):
    """One screen of each, with two baselines."""
    grid = smaller(name)
    (scheme,) = grid.splits
    small = replace(
        grid,
        data=dict(list(grid.data.items())[:1]),
        splits={scheme: replace(grid.splits[scheme], arguments=arguments)},
        models={key: grid.models[key] for key in ("no change", best)},
        seeds=[0],
        metrics=["pearson", "error_ratio"],
    )
    found = run(small, tmp_path / "out", executor=inline(), progress=False)
    assert found.is_finished and len(found.tasks) == (3 if grid.ceiling else 2)
    made = report(tmp_path / "out", n_bootstrap=100)
    ranking = made.ranking.set_index(["metric", "model"])
    assert ranking.loc[("error_ratio", "no change"), "mean"] == pytest.approx(1.0)
    assert ranking.loc[("pearson", best), "mean"] > 0.1
    assert len(made.dynamic_range) == (2 if grid.ceiling else 0) and made.path.is_file()


@pytest.mark.parametrize(
    ("name", "models", "metrics"),
    [
        ("splat", ["known groups", "k-means", "scziDesk"], ["ari", "gradient@30"]),
        ("gene_programs", ["NMF", "published"], ["lms"]),
    ],
)
def test_a_packaged_grid_of_another_kind_runs(name, models, metrics, tmp_path, inline, monkeypatch):
    monkeypatch.setattr(scpi.datasets, "splat_benchmark", splat)
    grid = smaller(name)
    quick = {"max_epochs": 2} | ({"max_cluster_epochs": 1} if name == "splat" else {})
    networks = {key: replace(grid.models[key], train={**grid.models[key].train, **quick}) for key in models[-1:]}
    small = replace(
        grid,
        data=dict(list(grid.data.items())[:1]),
        models={key: grid.models[key] for key in models} | networks,
        seeds=[0],
        metrics=metrics,
    )
    found = run(small, tmp_path / "out", executor=inline(), progress=False)
    assert found.is_finished, [one.reason for one in found.failures]
    assert set(report(tmp_path / "out", n_bootstrap=20).ranking["model"]) >= {models[0]}
