"""The table of the ceiling; what stands in it is tested with the scorer and in the evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scpi
from scpi.benchmark import list_metrics, noise_ceiling, splits, summarise


@pytest.fixture(scope="module")
def adata():
    adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=40, n_control=120, n_decoy_sets=0, rng=0)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    return adata


def test_two_rows_for_every_condition(adata):
    divided = splits.random_cells(adata, test_size=0.5, n_splits=2)
    table = noise_ceiling(adata, divided, seeds=[0, 1], n_splits=2, metrics=["pearson", "rmse"])
    assert len(table) == 2 * 2 * 2 * 3
    assert list(table)[:8] == [
        "model", "split", "seed", "context", "perturbation", "dose", "n_cells", "seconds"
    ]  # fmt: skip
    assert table.groupby("model")["n_cells"].unique().map(list).to_dict() == {
        "perfect prediction": [20],
        "split-half ceiling": [10],
    }
    summary = summarise(
        table, ceiling="perfect prediction", baseline="split-half ceiling", pair_by=["split", "seed", "perturbation"]
    )
    row = summary.set_index(["model", "metric"]).loc[("perfect prediction", "pearson")]
    assert row["low"] > 0 and row["scaled"] == 1.0


def test_the_seed_decides(adata):
    split = splits.random_cells(adata, test_size=0.5, n_splits=1)
    first, again, other = (noise_ceiling(adata, split, seeds=seed, metrics="rmse") for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, again)
    assert not np.array_equal(first["rmse"], other["rmse"], equal_nan=True)


def test_names_are_those_of_the_table(adata):
    split = splits.random_cells(adata, n_splits=1)[0]
    table = noise_ceiling(adata, split, seeds=0, n_splits=1)
    assert list(table)[8:] == list(list_metrics()["metric"])
    with pytest.raises(ValueError, match="There are 0 splits"):
        noise_ceiling(adata, [])
