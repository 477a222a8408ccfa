from __future__ import annotations

import json
import re

import anndata as ad
import pandas as pd
import pytest

import scpi
from scpi.cli._de import changed_genes, verdict


@pytest.mark.parametrize("command", ["de", "programs", "predict"])
def test_help_has_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"scpi {command} cells.h5ad" in " ".join(result.output.split())


def test_samples_are_compared_by_limma(run, cells, tmp_path):
    options = ("--groupby", "condition", "--reference", "A", "--sample-key", "sample")
    result = run("de", cells, *options, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    adata = ad.read_h5ad(cells)
    scpi.de.limma(adata, "condition", reference="A", sample_key="sample")
    expected = scpi.get.de_df(adata, key="limma")
    written = pd.read_csv(tmp_path / "out" / "de.csv")
    assert list(written["gene"]) == list(expected["gene"])
    assert written["pval"].to_numpy() == pytest.approx(expected["pval"].to_numpy())
    # The genes that were changed are found, and are the first of the page
    assert set(written["gene"].head(10)) == set(adata.var_names[:10])
    found = expected[expected["pval_adj"] <= 0.05]
    n_up = int((found["log2fc"] > 0).sum())
    tested = {"n_samples": 3, "n_reference": 3, "n_donors": 6, "df_residual": 4, "n_genes": len(expected)}
    assert said["groups"] == [{"group": "B", **tested, "up": n_up, "down": len(found) - n_up}]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    rows = json.loads(re.search(r'id="genes-data">(.*?)</script>', page, flags=re.DOTALL)[1])
    assert [row[1] for row in rows[:10]] == list(written["gene"].head(10))
    for words in ("limma-voom (Law et al.", f"scpi {scpi.__version__}", 'href="#genes"', "volcano.png"):
        assert words in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert (tmp_path / "out" / "volcano.png").stat().st_size > 1000


def test_cells_are_compared_with_a_note_that_they_are_no_replicates(run, cells, tmp_path):
    result = run("de", cells, "--groupby", "condition", "--method", "t-test", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Cells were counted as independent" in " ".join(result.stderr.split())
    written = pd.read_csv(tmp_path / "out" / "de.csv")
    assert set(written["group"]) == {"A", "B"}
    # What was tested is printed and reported for each group
    printed = " ".join(result.stdout.split())
    assert "group n cells n genes up down" in printed and "A 180 120" in printed
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<b>120</b><span>genes tested per group</span>" in page and "<th>n cells</th>" in page
    # Nothing is replaced without being asked for
    again = run("de", cells, "--groupby", "condition", "--out", tmp_path / "out")
    assert again.exit_code == 2 and "--force" in again.output
    quiet = run("de", cells, "--groupby", "condition", "--out", tmp_path / "out", "--force", "--quiet")
    assert (quiet.exit_code, quiet.output) == (0, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--groupby", "wrong"], "no column 'wrong'"),
        (["--groupby", "condition", "--sample-key", "sample"], "name it by --reference"),
        (["--groupby", "condition", "--split-by", "Group"], "needs --sample-key"),
        (["--groupby", "condition", "--method", "limma"], "needs --sample-key"),
        (["--groupby", "condition", "--reference", "C"], "'C'"),
        (["--groupby", "condition", "--method", "magic"], "'magic'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run, cells, tmp_path, options, message):
    result = run("de", cells, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert len(result.output.splitlines()) == 1
    assert result.output.startswith("Error: ") and message in result.output
    assert list(tmp_path.iterdir()) == []


def test_genes_are_counted_by_direction():
    table = pd.DataFrame(
        {
            "group": ["b", "b", "b", "a", "a"],
            "pval_adj": [0.01, 0.05, 0.2, 0.03, float("nan")],
            "log2fc": [1.0, -1.0, 2.0, 0.5, -3.0],
        }
    )
    counts = changed_genes(table, 0.05)
    assert counts.to_dict("list") == {"group": ["b", "a"], "up": [1, 1], "down": [1, 0]}
    assert verdict(counts, None, 0.05).startswith(
        "Between 1 and 2 genes differ in each of 2 groups from the rest, most in b,"
    )
    assert verdict(counts[:1], "ctrl", 0.05).startswith("2 genes differ between b and ctrl")
