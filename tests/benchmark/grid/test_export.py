from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pytest
from typer.testing import CliRunner

import scpi
from scpi.benchmark.grid import Grid, collect, export, run
from scpi.cli import app


@pytest.fixture(scope="module")
def out(tmp_path_factory, tiny, inline):
    """Predicted cells of two baselines, one of which learns from counts, and means."""
    models = {"additive": "Additive", "counts": {"model": "MeanDelta", "layer": "counts"}}
    models |= {"means": {"model": "TrainMean", "predict": {"output": "mean"}}}
    out = tmp_path_factory.mktemp("export") / "grid"
    made = tiny(
        models=models, keep_predictions=True, splits={"cells": {"by": "random_cells", "arguments": {"n_splits": 2}}}
    )
    run(made, out, executor=inline(), progress=False)
    return out


def test_files_for_cell_eval(out, tmp_path):
    files = export(out, tmp_path / "to", models="additive")
    assert [file.name.partition("_")[0] for file in files] == ["measured.h5ad", "additive", "measured.h5ad", "additive"]
    assert len({file.parent for file in files}) == 2
    measured, predicted = (ad.read_h5ad(file) for file in files[:2])
    assert list(measured.obs) == ["target_gene"] and list(measured.var_names) == list(predicted.var_names)
    assert set(measured.obs["target_gene"]) == set(predicted.obs["target_gene"]) > {"non-targeting"}
    # Controls are the same measured cells
    own = [one[one.obs["target_gene"] == "non-targeting"].X.toarray() for one in (measured, predicted)]
    np.testing.assert_array_equal(*own)
    # The errors that the grid found follow from the files
    scores = collect(out).query("model == 'additive' and split == split.iloc[0]").set_index("perturbation")
    label = next(name for name in scores.index if name not in measured.var_names)
    means = [np.asarray(one[one.obs["target_gene"] == label].X.mean(0)).ravel() for one in (measured, predicted)]
    error = np.abs(means[0] - means[1]).mean()
    assert error == pytest.approx(scores.loc[label, "mae"], rel=0.5)


def test_submissions_need_counts(out, tmp_path):
    (first, _) = export(out, tmp_path / "to", file_format="vcc", models="counts", n_cells=2)
    found = ad.read_h5ad(first)
    assert (found.X.data == np.rint(found.X.data)).all() and (found.obs["target_gene"].value_counts() == 2).all()
    with pytest.raises(ValueError, match="'means' kept no counts, which the challenge requires"):
        export(out, tmp_path / "other", file_format="vcc", models="means")


def test_doses_and_contexts_are_labels(tmp_path, inline):
    adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=20, n_control=40, n_decoy_sets=0, rng=0)
    adata.obs["dose"] = np.where(adata.obs["perturbation"] == "control", 0, np.resize([1.0, 10.0], adata.n_obs))
    adata.obs["type"] = np.resize(["a", "a", "b", "b"], adata.n_obs)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    data = {"file": str(tmp_path / "cells.h5ad"), "normalise": True, "dose_key": "dose", "context_key": "type"}
    grid = {"data": {"cells": data}, "splits": {"types": {"by": "leave_context_out", "arguments": {"contexts": "b"}}}}
    grid |= {
        "models": {"mean": "MeanDelta"},
        "metrics": ["mae"],
        "seeds": [0],
        "ceiling": False,
        "keep_predictions": True,
    }
    run(Grid.from_dict(grid), tmp_path / "out", executor=inline(), progress=False)
    measured, predicted = (ad.read_h5ad(file) for file in export(tmp_path / "out", tmp_path / "to"))
    assert set(measured.obs["celltype"]) == set(predicted.obs["celltype"]) == {"b"}
    labels = set(measured.obs["target_gene"])
    assert labels == set(predicted.obs["target_gene"]) and all("at" in name for name in labels - {"non-targeting"})


def test_the_command(out, tmp_path):
    asked = ["benchmark", "export", str(out), "--to", str(tmp_path / "to"), "--model", "additive", "--json"]
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0, said.output
    assert len(json.loads(said.stdout)["files"]) == 4
    wrong = CliRunner().invoke(app, ["benchmark", "export", str(out), "--model", "x"], env={"COLUMNS": "200"})
    assert wrong.exit_code == 2 and "['x'] are not models of the grid" in wrong.output


def test_predictions_must_be_kept(tmp_path, tiny, inline):
    run(tiny(models={"nothing": "NoChange"}, ceiling=False), tmp_path / "out", executor=inline(), progress=False)
    with pytest.raises(ValueError, match="has predicted cells: `keep_predictions: true`"):
        export(tmp_path / "out", tmp_path / "to")
