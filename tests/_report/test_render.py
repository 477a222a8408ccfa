from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._report._render import as_frame, as_gene_table, cell, render


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.12345, "0.123"),
        (0.0, "0.000"),
        (-2e-5, "-2.00e-05"),
        (12, "12"),
        ("a <b>", "a <b>"),
        (None, "–"),
        (float("nan"), "–"),
        (np.float64(np.nan), "–"),
        (True, "True"),
    ],
)
def test_a_value_as_a_table_shows_it(value, expected):
    assert cell(value) == expected


def test_a_table_keeps_the_kinds_of_its_columns():
    table = pd.DataFrame({"n_cells": [3, 4], "pval_adj": [0.5, np.nan], "set": pd.Categorical(["a", "b"])})
    found = as_frame(table)
    assert found["columns"] == ["n cells", "pval adj", "set"]
    assert [[cell(value) for value in row] for row in found["rows"]] == [["3", "0.500", "a"], ["4", "–", "b"]]


def test_a_table_to_search_says_what_the_page_does_not_hold():
    table = pd.DataFrame({"unit": ["u", "u", "v"], "gene": ["a", "b", "c"], "pval_adj": [0.5, np.nan, 1e-9]})
    found = as_gene_table(table, caption="Genes.", file="genes.csv", n_shown=2)
    assert found["caption"] == "Genes. The first 2 of 3 rows; the others are in genes.csv."
    assert found["search"] == "Unit or gene"
    assert (found["columns"], found["rows"]) == (["unit", "gene", "pval adj"], [["u", "a", "0.500"], ["u", "b", "–"]])
    assert as_gene_table(table, caption="Genes.", file="genes.csv")["caption"] == "Genes."


def test_a_page_is_the_template_of_a_package_in_that_which_all_share(tmp_path):
    shared = dict.fromkeys(("contents", "questions", "tiles", "design", "notes", "figures", "tables", "settings"), [])
    own = dict.fromkeys(("rankings", "score_header", "score_rows", "fold_header", "fold_rows"), [])
    words = {"title": "a <b>", "date": "today", "verdict": "v", "scored": "all", "predicted": False, "methods": "m"}
    path = tmp_path / "page.html"
    render("scpi.screen", "pseudobulk.html", path, versions={"scpi": "1"}, **shared, **own, **words)
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "a &lt;b&gt;" in page and "How good are the baselines?" in page
    assert "http" not in page
