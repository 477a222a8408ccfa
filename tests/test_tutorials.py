"""The notebooks run, cell by cell, where their data is at hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import scpi
from scpi.datasets._examples import EXAMPLES
from scpi.datasets._gene_sets import COLLECTIONS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
LOADER = re.compile(r"scpi\.datasets\.(\w+)\(")
COLLECTION = re.compile(r'gene_sets\("(\w+)"')
FIRST_CELLS = 3


def read(notebook):
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def code_cells(notebook):
    return ["".join(cell["source"]) for cell in read(notebook) if cell["cell_type"] == "code"]


def test_there_is_a_notebook():
    assert NOTEBOOKS


def test_the_index_of_the_documentation_has_every_notebook_once():
    text = (ROOT / "docs" / "tutorials" / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\{doc\}`notebooks/(\w+)`", text)) == [notebook.stem for notebook in NOTEBOOKS]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_executed_and_clean(notebook):
    cells = [cell for cell in read(notebook) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert {output["output_type"] for output in outputs} <= {"display_data", "execute_result", "stream"}
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    # No path of the machine that it was run on
    assert not re.search(r"/(home|tmp|root|Users|work)/", notebook.read_text(encoding="utf-8"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_needs_no_file_of_the_developers(notebook):
    cells = code_cells(notebook)
    # Downloaded by one call, or simulated
    assert re.search(r"\bsc(pi)?\.datasets\.\w+\(|\bsimulator: \w|\bdefault_rng\(", "\n".join(cells[:FIRST_CELLS]))
    assert "SCPI_TEST_DATA" not in "\n".join(map(str, read(notebook)))
    assert not re.search(r"\bos\.environ|\bgetenv", "\n".join(cells))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_says_how_long_it_takes(notebook):
    assert re.search(r"\bminutes?\b", "".join(read(notebook)[0]["source"]))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, test_data, monkeypatch, tmp_path):
    cells = code_cells(notebook)
    names = {EXAMPLES[name].file for name in LOADER.findall("\n".join(cells)) if name in EXAMPLES}
    names |= {COLLECTIONS[name, "human"].name for name in COLLECTION.findall("\n".join(cells)) if name != "basic"}
    for name in names:
        monkeypatch.setattr(scpi.settings, "datasetdir", test_data(name).parent)
    monkeypatch.chdir(tmp_path)
    variables = {"__name__": notebook.stem}
    for number, cell in enumerate(cells, start=1):
        exec(compile(cell, f"{notebook.name}, cell {number}", "exec"), variables)
        plt.close("all")
