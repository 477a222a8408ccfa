from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._report._tables import for_spreadsheets


def test_programs_are_named_by_gene_sets(run, cells, gmt, tmp_path):
    options = ("--gene-sets", gmt, "--n-units", 4, "--max-epochs", 2, "--label-key", "condition", "--seed", 3)
    result = run("programs", cells, *options, "--accelerator", "cpu", "--out", tmp_path / "out", "--quiet", "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    said = json.loads(result.stdout)
    adata = ad.read_h5ad(said["cells"])
    assert adata.obsm["X_scpi"].shape == (360, 4)
    units = scpi.get.unit_annotation(adata)
    assert [row["name"] for row in said["programs"]] == list(units["name"])
    written = pd.read_csv(said["units"], keep_default_na=False)
    columns = ["unit", "name", "zscore", "pval_adj", "genes"]
    pd.testing.assert_frame_equal(written[columns], for_spreadsheets(units)[columns], check_dtype=False)
    # Genes in the order of `get.programs`; `unit` joins both tables, and both name it
    genes, expected = pd.read_csv(said["genes"]), scpi.get.programs(adata, top_n=50)
    assert list(genes["gene"]) == list(expected["gene"])
    names = dict(zip(units["unit"], units["name"], strict=True))
    assert list(genes["unit"]) == list(expected["unit"])
    assert list(genes["name"]) == list(for_spreadsheets(expected.assign(name=expected["unit"].map(names)))["name"])
    joined = genes.merge(written, on="unit", validate="many_to_one")
    assert len(joined) == len(genes) and (joined["name_x"] == joined["name_y"]).all()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Kinalis et al." in page and "was trained for 2 epochs" in page
    assert units["name"][0] in page.replace("&#39;", "'")
    # The model is that of these cells
    fresh = ad.read_h5ad(cells)
    model = scpi.model.GeneProgramAE.load(said["model"], adata=fresh)
    np.testing.assert_allclose(model.get_latent_representation(), adata.obsm["X_scpi"], atol=1e-4)


def test_without_gene_sets_units_keep_their_numbers(run, cells, tmp_path):
    result = run("programs", cells, "--n-units", 3, "--max-epochs", 1, "--out", tmp_path / "out", "--quiet", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["verdict"] == "3 gene programs were found."
    assert list(pd.read_csv(tmp_path / "out" / "units.csv")["name"]) == ["unit_0", "unit_1", "unit_2"]
    assert "give a file or a collection by --gene-sets" in (tmp_path / "out" / "report.html").read_text(
        encoding="utf-8"
    )


def test_names_are_checked_before_the_training(run, cells, gmt, tmp_path, monkeypatch):
    monkeypatch.setattr(scpi.model.GeneProgramAE, "train", lambda *args, **kwargs: pytest.fail("trained"))
    for options, message in (
        (["--gene-sets", gmt, "--label-key", "wrong"], "--label-key names 'wrong', but `obs` has no column 'wrong'"),
        (["--gene-sets", "basic"], "No gene of the data is in any gene set"),
        (["--gene-sets", gmt, "--min-size", "50"], "within the size limits"),
    ):
        result = run("programs", cells, "--out", tmp_path / "out", *options)
        assert result.exit_code == 2 and message in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--gene-sets", "nothing.gmt"],
            "There is no file 'nothing.gmt', nor a collection of that name: --gene-sets takes",
        ),
        (["--label-key", "condition"], "needs --gene-sets"),
        (["--batch-key", "wrong"], "wrong"),
        (["--layer", "wrong"], "wrong"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run, cells, tmp_path, options, message):
    result = run("programs", cells, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and message in errors[0] and "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []
