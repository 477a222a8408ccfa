"""``scpi screen`` and ``scpi demo``: `scpi.cli._screen`, `scpi.cli._demo` and `scpi.cli._run`, which both call."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import scpi
from scpi.cli import app
from scpi.datasets import plant_screen


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def test_version():
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.strip() == f"scpi {scpi.__version__}"


@pytest.mark.parametrize("command", [[], ["demo"], ["screen"]])
def test_help(command):
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.fixture
def small(monkeypatch):
    """A demo of three perturbations, of which the pairs are few."""
    monkeypatch.setattr(scpi.datasets, "plant_screen", partial(plant_screen, n_perturbations=3, n_decoy_sets=2))


def test_demo(tmp_path, small):
    result = run("demo", "--out", tmp_path / "demo", "--n-cells", 12, "--max-epochs", 1)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "demo" / "report.html").is_file()
    for word in ("SENAVAE", "additive", "no change", "split-half ceiling", "Error of adding effects", "Causal edges"):
        assert word in result.output
    assert "GPU available" not in result.output
    assert "Warning" not in result.output


@pytest.mark.smoke("jinja2", "rich", "typer")
def test_screen(tmp_path):
    adata = plant_screen(n_perturbations=3, n_cells=20, n_decoy_sets=0, rng=0)
    adata.obs["guide"] = adata.obs["perturbation"].astype(str).replace("control", "NT")
    genes = list(adata.var_names)
    with (tmp_path / "sets.gmt").open("w", encoding="utf-8") as file:
        for start in (0, 40, 80):
            file.write("\t".join([f"set{start}", "", *genes[start : start + 40]]) + "\n")
    del adata.varm["gene_sets"], adata.uns["gene_sets"], adata.uns["truth"], adata.obs["perturbation"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    result = run(
        "screen",
        tmp_path / "cells.h5ad",
        *("--perturbation-key", "guide", "--control", "NT", "--gene-sets", tmp_path / "sets.gmt"),
        *("--out", tmp_path / "out", "--max-epochs", 1),
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "predicted.h5ad").is_file()
    assert "Planted and found" not in result.output


def test_without_gene_sets_the_model_does_without(tmp_path):
    adata = plant_screen(n_perturbations=3, n_cells=20, n_decoy_sets=0, rng=0)
    del adata.varm["gene_sets"], adata.uns["gene_sets"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    result = run("screen", tmp_path / "cells.h5ad", "--out", tmp_path / "out", "--max-epochs", 1)
    assert result.exit_code == 0, result.output
    # Before the training, and at the end
    assert " ".join(result.output.split()).count("such as hallmark (`gene_sets`, --gene-sets)") == 2
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "no gene sets and a normal likelihood" in page
    assert "differential_activity" not in page and "Activity of gene sets" not in page
    assert not (tmp_path / "out" / "differential_activity.csv").exists()
    refused = run("screen", tmp_path / "cells.h5ad", "--out", tmp_path / "o", "--encoder", "gene_sets")
    assert refused.exit_code == 2 and "The encoder needs gene sets" in refused.output


def test_a_collection_of_gene_sets(tmp_path, monkeypatch):
    found = given(tmp_path, monkeypatch, "--gene-sets", "basic")
    assert found["gene_sets"] == scpi.datasets.gene_sets("basic")


class Stop(Exception):
    """The analysis was called."""


def given(tmp_path, monkeypatch, *options):
    """Arguments with which the analysis is called."""
    found = {}

    def take(data, gene_sets=None, **arguments):
        found.update(arguments, gene_sets=gene_sets)
        raise Stop

    monkeypatch.setattr(scpi.screen, "run_screen", take)
    plant_screen(n_perturbations=2, n_cells=2, n_decoy_sets=0, rng=0).write_h5ad(tmp_path / "cells.h5ad")
    result = run("screen", tmp_path / "cells.h5ad", "--out", tmp_path / "report", *options)
    assert isinstance(result.exception, Stop)
    return found


@pytest.mark.parametrize("name", ["sample", "batch", "guide", "context", "dose", "size-factor"])
def test_columns_of_the_design_are_passed_on(tmp_path, monkeypatch, name):
    argument = f"{name.replace('-', '_')}_key"
    assert given(tmp_path, monkeypatch, f"--{name}-key", "column")[argument] == "column"
    assert given(tmp_path, monkeypatch)[argument] is None


def test_settings_of_the_model_are_passed_on(tmp_path, monkeypatch):
    found = given(
        tmp_path,
        monkeypatch,
        *("--n-factors", 7, "--encoder", "mlp", "--mechanism", "relu", "--graph-penalty", 0.5, "--preset", "zhang"),
        *("--unassigned", "doublet", "--unassigned", "low"),
    )
    settings = {"preset": "zhang", "n_factors": 7, "encoder": "mlp", "mechanism": "relu", "graph_penalty": 0.5}
    assert found["model_kwargs"] == settings
    assert found["unassigned"] == ["doublet", "low"]
    # What is not given is up to the model
    found = given(tmp_path, monkeypatch)
    assert found["model_kwargs"] == {"preset": "scpi", "mechanism": "linear"}
    assert (found["train_kwargs"], list(found["unassigned"])) == ({}, [])


@pytest.mark.parametrize(("kind", "name"), [("csv", "CSVLogger"), ("tensorboard", "TensorBoardLogger")])
def test_the_training_is_logged_beside_the_report(tmp_path, monkeypatch, kind, name):
    logger = given(tmp_path, monkeypatch, "--logger", kind)["train_kwargs"]["logger"]
    assert type(logger).__name__ == name
    assert str(logger.save_dir) == str(tmp_path / "report-logs")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--perturbation-key", "wrong"], "no column 'wrong'"),
        (["--control", "wrong"], "labelled 'wrong'"),
        (["--gene-sets", "nothing.gmt"], "no file 'nothing.gmt'"),
        (["--control", "wrong"], "(--control)"),
        (["--sample-key", "wrong"], "--sample-key names 'wrong'"),
        (["--predict", "wrong"], "in --predict;"),
        (["--held-out", "A+wrong"], "--held-out names"),
        (["--layer", "wrong"], "'wrong'"),
        (["--mod", "rna"], "omit mod"),
    ],
)
def test_mistakes_are_one_line(tmp_path, options, message):
    plant_screen(n_perturbations=2, n_cells=10, n_decoy_sets=0).write_h5ad(tmp_path / "cells.h5ad")
    result = run("screen", tmp_path / "cells.h5ad", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    errors = [line for line in result.output.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_a_damaged_one(tmp_path):
    assert "no file" in run("screen", tmp_path / "a.h5ad", "--out", tmp_path / "out").output
    (tmp_path / "b.h5ad").write_bytes(b"nothing")
    result = run("screen", tmp_path / "b.h5ad", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_the_traceback_on_request(tmp_path):
    result = run("screen", tmp_path / "a.h5ad", "--out", tmp_path / "out", "--debug")
    assert isinstance(result.exception, FileNotFoundError)


def test_an_option_out_of_range(tmp_path):
    assert run("demo", "--out", tmp_path, "--interaction", 2).exit_code == 2


def test_results_are_replaced_only_by_force(tmp_path, monkeypatch, small):
    (tmp_path / "report.html").touch()
    result = run("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert "holds files" in result.output
    assert "replace its results by --force." in result.output
    assert "overwrite" not in result.output

    def stop(*args, overwrite, resume, **kwargs):
        assert overwrite
        assert not resume
        stopped = KeyboardInterrupt()
        stopped.add_note("Nothing was written.")
        raise stopped

    monkeypatch.setattr(scpi.screen, "run_screen", stop)
    result = run("demo", "--out", tmp_path, "--force")
    assert result.exit_code == 130
    assert "Interrupted. Nothing was written." in result.output


def test_a_run_that_was_interrupted_goes_on(tmp_path, monkeypatch, small):
    asked = []

    def stop(*args, resume, **kwargs):
        asked.append(resume)
        stopped = KeyboardInterrupt()
        stopped.add_note("What was finished is kept in 'out'.")
        raise stopped

    monkeypatch.setattr(scpi.screen, "run_screen", stop)
    for options in ([], ["--resume"]):
        result = run("demo", "--out", tmp_path / "out", *options)
        assert result.exit_code == 130
        assert "Interrupted. What was finished is kept in 'out'." in result.output
    assert asked == [False, True]


def test_a_run_that_was_not_finished_is_not_begun_again(tmp_path, small):
    (tmp_path / "out" / "unfinished").mkdir(parents=True)
    result = run("demo", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "holds a run that was not finished: go on with it by" in result.output


def test_rows_that_are_conditions(tmp_path):
    rng = np.random.default_rng(0)
    labels = ["A", "B", "C", "A+B", "A+C", "B+C"]
    adata = ad.AnnData(rng.normal(0, 1, (6, 30)).astype("f4"), obs=pd.DataFrame({"perturbation": labels}, index=labels))
    adata.layers["one"], adata.layers["two"] = (adata.X + rng.normal(0, 0.1, adata.shape) for _ in range(2))
    path = tmp_path / "profiles.h5ad"
    adata.write_h5ad(path)
    refused = run("screen", path, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "--rows conditions" in refused.output
    options = ("--rows", "changes", "--halves", "one", "--halves", "two")
    result = run("screen", path, "--out", tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    for words in ("Rows are conditions, not cells", "each held out in one of 3 folds", "perfect prediction", "Report:"):
        assert words in " ".join(result.output.split())
    assert (tmp_path / "out" / "folds.csv").is_file()
    needing = run("screen", path, "--out", tmp_path / "o", *options, "--batch-key", "x", "--max-epochs", 3)
    assert "--batch-key, --max-epochs need cells, and rows are conditions" in needing.output
    no_rows = run("screen", path, "--out", tmp_path / "o", "--halves", "one")
    assert "--halves names layers of profiles, and needs --rows conditions" in no_rows.output


def test_the_device_is_passed_on(tmp_path, monkeypatch):
    assert given(tmp_path, monkeypatch, "--accelerator", "cpu")["train_kwargs"] == {"accelerator": "cpu"}
    assert given(tmp_path, monkeypatch)["train_kwargs"] == {}
    assert run("screen", tmp_path / "cells.h5ad", "--out", tmp_path / "o", "--accelerator", "abacus").exit_code == 2


def test_the_result_as_json_and_nothing_else(tmp_path, small):
    options = ("--n-cells", 12, "--max-epochs", 1, "--quiet", "--json")
    result = run("demo", "--out", tmp_path / "demo", *options)
    assert (result.exit_code, result.stderr) == (0, "")
    said = json.loads(result.stdout)
    assert Path(said["report"]).is_file()
    scores = pd.read_csv(tmp_path / "demo" / "scores.csv")
    assert [row["model"] for row in said["scores"]] == list(scores["model"])
    errors = [None if np.isnan(value) else pytest.approx(value) for value in scores["rmse"]]
    assert [row["rmse"] for row in said["scores"]] == errors
    assert said["held_out"] == json.loads((tmp_path / "demo" / "run.json").read_text(encoding="utf-8"))["held_out"]
    assert said["verdict"].split()[0] in (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
