"""Kinds of tasks: what a grid refuses, and grids of clusterings and of programs from beginning to end."""

from __future__ import annotations

import numpy as np
import pytest

import scpi
from scpi.benchmark.grid import Grid, collect, report, run, status, table_hash
from scpi.benchmark.grid._kinds._kind import KINDS

SPLAT = {
    "simulator": "splat",
    "seed": 0,
    "arguments": {"n_cells": 160, "n_genes": 100, "group_prob": [0.5, 0.5], "de_prob": 0.4, "de_fac_scale": 0.5},
}
CLUSTERS = {
    "task": "clustering",
    "data": {"splat": SPLAT},
    "splits": {"all": {"by": "leave_cells_out", "arguments": {"test_size": 0}}},
    "models": {
        "known": "scpi.benchmark.references:KnownGroups",
        "k-means": "scpi.benchmark.references:KMeansClusters",
    },
    "metrics": ["ari", "nmi", "sparse_decoder@all", "t-test@10"],
    "seeds": [0],
}


def made(**changes):
    return Grid.from_dict(CLUSTERS | changes)


def test_the_task_is_prediction_unless_it_is_named():
    assert Grid.__dataclass_fields__["task"].default == "prediction" and list(KINDS)[0] == "prediction"
    assert made().ceiling is False and made().metrics == CLUSTERS["metrics"]
    assert made(metrics="honest").metrics[:2] == ["ari", "nmi"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "clusterings"}, "task: unknown task 'clusterings', did you mean 'clustering'?"),
        ({"metrics": ["pearson"]}, "metrics: Unknown metrics 'pearson': choose from 'ari', 'nmi', 'RANKING@NUMBER'"),
        ({"metrics": ["t-testt@10"]}, "Unknown metrics"),
        ({"metrics": ["t-test@0"]}, "Unknown metrics"),
        ({"metrics": []}, "`metrics` is empty"),
        ({"ceiling": True}, "ceiling: is for predictions, and the task is 'clustering'."),
        ({"gaming": True}, "gaming: is for predictions"),
        ({"keep_predictions": True}, "keep_predictions: is for predictions"),
        ({"tuning": {"objectives": "pearson"}}, "tuning: is for predictions"),
        (
            {"models": {"a": {"model": "SCZIDesk", "validation_size": 0.1}}},
            "models.a.validation_size: is for predictions",
        ),
        ({"models": {"a": {"model": "SCZIDesk", "matched_null": True}}}, "models.a.matched_null: is for predictions"),
        ({"task": "programs", "metrics": ["ari"]}, "Unknown metrics 'ari': choose from 'lms'"),
    ],
)
def test_what_a_kind_does_not_know_is_refused_with_its_place(changes, message):
    with pytest.raises(ValueError, match=message):
        made(**changes)


def test_the_line_of_a_mistake_is_named(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "task: clustering\ndata:\n  a: {simulator: splat, seed: 0}\nsplits:\n  all: {by: leave_cells_out}\n"
        "models: {k: SCZIDesk}\nmetrics: [ari, pearson]\n"
    )
    with pytest.raises(ValueError, match="grid.yaml, line 7, metrics: Unknown metrics 'pearson'"):
        Grid.read(path)


def test_clusterings_are_scored_by_group_and_reported(tmp_path, inline):
    found = run(made(), tmp_path / "out", executor=inline(), progress=False)
    assert found.is_finished and len(found.tasks) == 2
    table = collect(tmp_path / "out")
    assert list(table["group"]) == ["", "Group1", "Group2"] * 2
    whole, groups = table[table["group"] == ""], table[table["group"] != ""]
    # The groups of this simulation are far apart, so that k-means finds them
    np.testing.assert_allclose(whole["ari"], 1.0)
    assert groups["ari"].isna().all() and whole["t-test@10"].isna().all()
    # The same clusters have the same rankings
    wide = groups.pivot(index="group", columns="model", values="sparse_decoder@all")
    np.testing.assert_allclose(wide["known"], wide["k-means"])
    assert (groups[["sparse_decoder@all", "t-test@10"]] > 0.25).all(axis=None)
    one = report(tmp_path / "out", n_bootstrap=50)
    kinds = one.ranking.set_index(["metric", "model"])["kind"]
    assert kinds["ari", "k-means"] == "baseline" and kinds["ari", "known"] == "model"
    assert one.further.empty and "2 groups" in one.path.read_text(encoding="utf-8").replace("</b>", "")
    # Nothing is done twice, and another metric is another task
    assert not inline().jobs and run(made(), tmp_path / "out", executor=inline(), progress=False).is_finished
    other = run(made(metrics=["ari"]), tmp_path / "out", executor=inline(), progress=False)
    assert {task.hash for task in other.tasks}.isdisjoint({task.hash for task in found.tasks})


def test_accuracies_need_the_true_factors(tmp_path, inline):
    cells = scpi.datasets.splat(**SPLAT["arguments"], rng=0)
    del cells.varm["de_factor"]
    cells.write_h5ad(tmp_path / "cells.h5ad")
    given = {
        "data": {"splat": {"file": str(tmp_path / "cells.h5ad")}},
        "models": {"known": CLUSTERS["models"]["known"]},
    }
    (failure,) = run(made(**given), tmp_path / "out", executor=inline(), progress=False).failures
    assert "need the true factors of the genes in adata.varm['de_factor']" in failure.reason
    without = made(**given, metrics=["ari"])
    assert run(without, tmp_path / "out", executor=inline(), progress=False).is_finished
    given["data"]["splat"]["group_key"] = "batch_of_cells"
    (failure,) = run(made(**given, metrics=["nmi"]), tmp_path / "out", executor=inline(), progress=False).failures
    assert "batch_of_cells" in failure.reason


PROGRAMS = {
    "task": "programs",
    "data": {
        "programs": {
            "simulator": "gene_programs",
            "seed": 0,
            "arguments": {"n_cells": 250, "n_genes": 120, "n_programs": 3, "n_genes_per_program": 15, "strength": 2.0},
        }
    },
    "splits": {"cells": {"by": "leave_cells_out"}},
    "models": {
        "ICA": {"model": "scpi.benchmark.references:Factors", "init": {"kind": "ica", "n_units": 3}},
        "GeneProgramAE": {"model": "GeneProgramAE", "init": {"n_units": 3}, "train": {"max_epochs": 3}},
        "hidden": {"model": "GeneProgramAE", "init": {"n_units": 3, "decoder_hidden": [8]}, "train": {"max_epochs": 1}},
        "SCVI": {"model": "scvi.model:SCVI", "init": {"n_latent": 3}, "train": {"max_epochs": 1}},
    },
    "metrics": None,
    "seeds": [0],
}


def test_units_are_compared_with_programs(tmp_path, inline):
    grid = Grid.from_dict(PROGRAMS)
    found = run(grid, tmp_path / "out", executor=inline(), progress=False)
    assert found.is_finished and status(tmp_path / "out").counts["failed"] == 0
    table = collect(tmp_path / "out").set_index("model")
    assert (table["n_cells"] == 200).all() and (table[grid.metrics].notna()).all(axis=None)
    assert table.loc["GeneProgramAE", "auroc"] > 0.9 and table.loc["ICA", "auroc"] > 0.6
    # Worse than a constant prediction is no model of the counts
    assert (table["loglik"].drop("SCVI") > np.log(1 / 120)).all()
    again = run(grid, tmp_path / "again", executor=inline(), progress=False)
    assert again.is_finished
    assert table_hash(collect(tmp_path / "again")) == table_hash(collect(tmp_path / "out"))


def test_programs_must_be_known_and_the_likelihood_needs_other_cells(tmp_path, inline):
    only = {"models": {"ICA": PROGRAMS["models"]["ICA"]}}
    all_cells = {"cells": {"by": "leave_cells_out", "arguments": {"test_size": 0}}}
    grid = Grid.from_dict(PROGRAMS | only | {"splits": all_cells})
    (failure,) = run(grid, tmp_path / "out", executor=inline(), progress=False).failures
    assert "'loglik' needs test cells, and the split 'draw 1' has none" in failure.reason
    grid = Grid.from_dict(PROGRAMS | only | {"data": {"splat": SPLAT}})
    (failure,) = run(grid, tmp_path / "out", executor=inline(), progress=False).failures
    assert "needs known programs in adata.obsm['programs']" in failure.reason
