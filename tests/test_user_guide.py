"""The code on the pages of the user guide and on the front page runs, from top to bottom of each page."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import scanpy as sc
import scvi

import scpi
from scpi.model.senavae._presets import PRESETS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / "index.md", *sorted((ROOT / "docs" / "user_guide").glob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
WITH_CODE = [page for page in PAGES if FENCE.search(page.read_text(encoding="utf-8"))]


# The models of the pages that take long, and how they are trained here
BRIEF = {
    scpi.model.SENAVAE: {"max_epochs": 1},
    scpi.model.SCDeepCluster: {"max_epochs": 2, "max_cluster_epochs": 1},
    scpi.model.SCZIDesk: {"max_epochs": 2, "max_cluster_epochs": 1},
}
# The screens of the pages have fewer cells here; those of four guides have more
FEW_CELLS = 20
CELLS = {"effects": 60}


def briefly(train, brief):
    def train_briefly(model, max_epochs=None, **kwargs):
        train(model, **(kwargs | brief))

    return train_briefly


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, monkeypatch, tmp_path):
    # What the calls accept is tested here, not what the models learn.
    for cls, brief in BRIEF.items():
        monkeypatch.setattr(cls, "train", briefly(cls.train, brief))
    plant, n_cells = scpi.datasets.plant_screen, CELLS.get(page.stem, FEW_CELLS)
    monkeypatch.setattr(scpi.datasets, "plant_screen", lambda **kwargs: plant(**(kwargs | {"n_cells": n_cells})))
    monkeypatch.setattr(scvi.settings, "mlflow_set_tracking_uri", "")
    monkeypatch.chdir(tmp_path)
    variables = {}
    for snippet in FENCE.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, page.name, "exec"), variables)
    plt.close("all")


def test_every_argument_of_scanpy_is_in_the_table():
    text = (ROOT / "docs" / "user_guide" / "differential_expression.md").read_text(encoding="utf-8")
    rows = text.partition("(arguments-of-scanpy)=")[2].partition("(thinning)=")[0]
    first = " ".join(line.split("|")[1] for line in rows.splitlines() if line.startswith("| "))
    named = set(re.findall(r"`(\w+)", first))
    assert set(inspect.signature(sc.tl.rank_genes_groups).parameters) - {"adata"} <= named


def test_twelve_lines_and_twelve_designs_have_code():
    text = (ROOT / "docs" / "user_guide" / "from_scanpy_and_limma.md").read_text(encoding="utf-8")
    for part in text.split("\n## Twelve ")[1:]:
        sections = re.split(r"^\*\*(\d+)\.\*\*", part, flags=re.MULTILINE)
        assert sections[1::2] == [str(i) for i in range(1, 13)]
        assert all(FENCE.search(section) for section in sections[2::2])


def test_the_table_of_presets_is_right():
    text = (ROOT / "docs" / "user_guide" / "senavae.md").read_text(encoding="utf-8")
    rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| "))
    table = {row[0]: row[1:] for row in rows if len(row) == 4}
    for column, name in enumerate(('`"scpi"`', '`"sena"`', '`"zhang"`')):
        assert table[""][column] == name
        preset = PRESETS[name.strip('`"')]
        expected = {
            r"$\alpha$ (MMD): end, start epoch": (preset.max_mmd, preset.mmd_start),
            r"$\beta$ (KL): end, start epoch": (preset.max_kl, preset.kl_start),
            r"$\tau$: end, start epoch": (preset.max_temperature, preset.temperature_start),
            "L1 of the graph": (preset.graph_penalty,),
            "learning rate": (preset.lr,),
            "cells of a condition × conditions in a step": (preset.n_cells, preset.n_conditions),
            "epochs": (preset.max_epochs,),
        }
        found = {row: tuple(map(float, re.findall(r"\d+(?:\.\d+)?", table[row][column]))) for row in expected}
        assert found == expected
        assert ("unbiased" in table["MMD"][column]) is preset.unbiased
        bandwidth = re.findall(r"\d+", table["MMD"][column])
        assert [float(value) for value in bandwidth] == ([] if preset.bandwidth is None else [preset.bandwidth])
