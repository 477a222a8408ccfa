"""Leaks of the divisions of a grid: looked for once, and carried by the tasks, the table and the status."""

from __future__ import annotations

import json

import pytest
import scanpy as sc

import scpi
from scpi.benchmark.grid import collect, run, status
from scpi.benchmark.grid._cells import _normalised
from scpi.benchmark.grid._leaks import Leak, leak_columns
from scpi.benchmark.grid._show_status import status_lines

PAIRS = {"by": "leave_combinations_out", "arguments": {"n_splits": 3}}
SHARED = {"by": "leave_combinations_out", "arguments": {"n_splits": 3, "reference_fraction": 0.0}}


def test_tasks_and_status_carry_what_the_audit_finds(tiny, tmp_path, inline):
    grid = tiny(splits={"pairs": PAIRS, "shared": SHARED})
    with pytest.warns(
        UserWarning, match="The audit found 3 leaks .* such as in planted, shared part 1 of 3: shared controls"
    ):
        found = run(grid, tmp_path, executor=inline(), progress=False)
    table = collect(tmp_path)
    risks = table.groupby("scheme")[["leak_risk", "leaks"]].agg(["unique", "size"])
    assert risks["leak_risk"]["unique"].str[0].to_dict() == {"pairs": "none", "shared": "medium"}
    assert risks["leaks"]["unique"].str[0].to_dict() == {"pairs": "", "shared": "shared controls"}
    assert [(leak.scheme, leak.kind, leak.severity, leak.n) for leak in found.leaks] == [
        ("shared", "shared controls", "medium", 40)
    ] * 3
    assert len(list((tmp_path / "leaks").iterdir())) == 6
    lines = "\n".join(status_lines(found))
    assert "Risk of leaks: 3 findings." in lines and "planted, shared part 2 of 3: shared controls (medium)." in lines
    assert [leak["split"] for leak in json.loads(json.dumps(found.to_dict()))["leaks"]] == [
        f"part {n} of 3" for n in (1, 2, 3)
    ]


@pytest.fixture
def with_components(tmp_path):
    """A file of cells with principal components of all of them, and columns of donors."""
    adata = _normalised(scpi.datasets.plant_screen(n_perturbations=3, n_cells=12, n_control=40, n_decoy_sets=0))
    adata.obsm["X_pca"] = sc.pp.pca(adata.X.toarray(), n_comps=3)
    adata.obs["donor"] = "one"
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return {"file": str(tmp_path / "cells.h5ad")}


def test_an_entry_matters_to_the_models_that_read_it(tiny, tmp_path, inline, with_components, folder):
    reader = {"model": "grid_models:Reader", "train": {"representation": "X_pca"}}
    grid = tiny(data={"planted": with_components}, models={"nothing": "NoChange", "reader": reader}, ceiling=False)
    with pytest.warns(UserWarning, match="representation of test cells"):
        found = run(grid, tmp_path / "out", executor=inline(), progress=False)
    assert collect(tmp_path / "out").groupby("model")["leak_risk"].unique().str[0].to_dict() == {
        "nothing": "low",
        "reader": "high",
    }
    assert {(leak.entry, leak.severity) for leak in found.leaks} == {("obsm['X_pca']", "high")}
    alone = tiny(data={"planted": with_components}, models={"nothing": "NoChange"})
    assert run(alone, tmp_path / "out", executor=inline(), progress=False).leaks == ()


def test_donors_must_be_apart_where_the_grid_says_so(tiny, tmp_path, inline, with_components):
    data = with_components | {"apart": ["donor"]}
    grid = tiny(data={"planted": data}, models={"nothing": "NoChange"}, ceiling=False)
    with pytest.warns(UserWarning, match="value on both sides"):
        run(grid, tmp_path / "out", executor=inline(), progress=False)
    assert status(tmp_path / "out").leaks[0].evidence == "1 values are on both sides: 'one'."


def test_the_ways_to_game_a_score_are_rows_of_the_table(tiny, tmp_path, inline):
    found = run(tiny(gaming=True, ceiling=False), tmp_path, executor=inline(), progress=False)
    assert found.is_finished and [task.model for task in found.tasks].count("ways to game") == 3
    table = collect(tmp_path)
    own = table[table["model"].str.startswith("ways to game: ")]
    assert own["model"].nunique() == 15 and len(own) == 15 * len(table[table["model"] == "nothing"])
    mean = table.groupby("model")["rmse"].mean()
    assert mean["ways to game: no change"] == pytest.approx(mean["nothing"], rel=1e-6)
    assert json.loads((tmp_path / "tasks" / found.tasks[-1].hash / "config.json").read_text())["model_settings"] is None


def test_models_must_not_have_the_name_of_the_ways(tiny):
    with pytest.raises(ValueError, match=r"models.ways to game: names the task of the ways to game a score"):
        tiny(models={"ways to game": "NoChange"})
    with pytest.raises(ValueError, match="apart: must be a list of columns, but is 'donor'"):
        tiny(data={"planted": {"file": "x.h5ad", "apart": "donor"}})


def test_columns_have_the_gravest_severity_and_each_kind_once():
    leaks = [
        Leak("d", "s", "x", kind, severity, 1, "", "", "")
        for kind, severity in (("a", "low"), ("b", "high"), ("a", "low"))
    ]
    assert leak_columns(leaks) == {"leak_risk": "high", "leaks": "a, b"}
    assert leak_columns([]) == {"leak_risk": "none", "leaks": ""}
