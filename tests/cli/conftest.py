from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import scpi
from scpi.cli import app


@pytest.fixture
def run():
    """Runs the command line."""

    def invoke(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})

    return invoke


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """A file of counts: six samples of two conditions, whose first group has genes of its own in condition B."""
    adata = scpi.datasets.splat(360, n_genes=120, group_prob=(0.5, 0.5), de_prob=0.3, de_fac_scale=1.0, rng=0)
    rng = np.random.default_rng(0)
    adata.obs["sample"] = rng.permutation(np.repeat([f"s{i}" for i in range(6)], 60))
    adata.obs["condition"] = np.where(adata.obs["sample"].isin(["s0", "s1", "s2"]), "A", "B")
    changed = (adata.obs["condition"] == "B").to_numpy()
    counts = adata.X.toarray()
    counts[np.ix_(changed, range(10))] = rng.poisson(3 * counts[np.ix_(changed, range(10))] + 2)
    adata.X = type(adata.X)(counts.astype(np.float32))
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    adata.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def gmt(cells):
    """Sets of which one holds the genes that condition B changes."""
    path = cells.with_name("sets.gmt")
    lines = [
        "\t".join([f"SET{start}", "", *(f"Gene{i + 1}" for i in range(start, start + 10))])
        for start in range(0, 120, 10)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
