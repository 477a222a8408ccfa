"""Files on the page of the user guide."""

from __future__ import annotations

import re

import pytest

from scpi.benchmark.grid import Grid


@pytest.fixture(scope="module")
def page(project):
    return (project / "docs" / "user_guide" / "benchmark_grid.md").read_text(encoding="utf-8")


def block(page, caption):
    return re.search(rf"^```{{code-block}} \w+\n:caption: {caption}\n\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]


def test_the_grid_of_the_page_is_one(page, tmp_path):
    (tmp_path / "grid.yaml").write_text(block(page, "grid.yaml"), encoding="utf-8")
    grid = Grid.read(tmp_path / "grid.yaml")
    assert list(grid.variants()) == ["mean change", "additive", "mtae (lr=0.0001)", "mtae (lr=0.001)"]
    wrong = block(page, "grid.yaml").replace("train: {", "trian: {")
    (tmp_path / "grid.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ValueError, match=r"grid.yaml, line \d+, models.mtae.trian: unknown entry 'trian'") as error:
        Grid.read(tmp_path / "grid.yaml")
    said = str(error.value).removeprefix(f"{tmp_path}/").partition("?")[0]
    assert said in page


def test_the_grid_to_tune_is_one(page, tmp_path):
    (tmp_path / "tune.yaml").write_text(block(page, "tune.yaml"), encoding="utf-8")
    grid = Grid.read(tmp_path / "tune.yaml")
    assert list(grid.models["mtae"].tune) == ["train.lr", "train.max_epochs", "init.n_latent"]
    assert grid.tuning.objectives == ["pearson"] and grid.tuning.inner["types"].by == "leave_context_out"


def test_the_snakefile_names_what_is_there(page):
    """Its rules are Python but for their heads: what they do is in test_cli_benchmark."""
    text = block(page, "Snakefile")
    assert len(text.splitlines()) <= 13
    assert '"scpi", "benchmark", "run", GRID, "--dry-run", "--json"' in text
    assert "scpi benchmark run-task {GRID} {wildcards.hash}" in text
    assert "grid/tasks/{hash}/metrics.parquet" in text
