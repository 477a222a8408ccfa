from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import stats

from scpi.datasets import _program_draw, cell_type_programs


def expected_counts(adata):
    """Mean count of each gene in each cell, from the truth that is stored."""
    spectra = adata.var["base_mean"].to_numpy() * np.exp(adata.varm["programs"].to_numpy().T)
    mean = adata.obsm["programs"].to_numpy() @ (spectra / spectra.sum(axis=1, keepdims=True))
    if "batch_factor" in adata.varm:
        mean = mean * adata.varm["batch_factor"].to_numpy().T[adata.obs["batch"].cat.codes]
    return adata.obs["depth"].to_numpy()[:, None] * mean / mean.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_mean_and_variance_of_counts(dispersion, monkeypatch):
    monkeypatch.setattr(_program_draw, "_BLOCK", 60_000)
    adata = cell_type_programs(
        3000, 60, 3, n_activities=2, n_genes_per_program=10, n_batches=3, dispersion=dispersion, rng=1
    )
    counts, mean = adata.X.toarray().astype(float), expected_counts(adata)
    variance = mean + dispersion * mean**2
    squares = (counts - mean) ** 2 / variance
    assert squares.mean() == pytest.approx(1.0, abs=5 * squares.std() / np.sqrt(squares.size))
    everywhere = np.ones(adata.n_obs, dtype=bool)
    response = (adata.obs["perturbation"] == "stimulated").to_numpy()
    for rows in (everywhere, response, (adata.obs["cell_type"] == "Type2").to_numpy()):
        z = (counts - mean)[rows].sum(axis=0) / np.sqrt(variance[rows].sum(axis=0))
        assert np.abs(z).max() < 4.5
    assert (adata.X.data == np.round(adata.X.data)).all()


def test_cells_use_the_programs_of_their_type_and_condition():
    adata = cell_type_programs(4000, 60, 3, n_activities=2, n_genes_per_program=10, stimulated=0.3, depth=10, rng=2)
    usages = adata.obsm["programs"]
    assert list(usages) == ["Type1", "Type2", "Type3", "Response", "Activity1", "Activity2"]
    np.testing.assert_allclose(usages.sum(axis=1), 1.0)
    for name in ("Type1", "Type2", "Type3"):
        np.testing.assert_array_equal(usages[name] > 0, adata.obs["cell_type"] == name)
    np.testing.assert_array_equal(usages["Response"] > 0, adata.obs["perturbation"] == "stimulated")
    assert (usages[["Activity1", "Activity2"]] > 0).all(axis=None)
    assert stats.chisquare(adata.obs["cell_type"].value_counts()).pvalue > 1e-3
    assert stats.binomtest(int((adata.obs["perturbation"] == "stimulated").sum()), 4000, 0.3).pvalue > 1e-3
    logits = np.log(
        usages[["Activity1", "Activity2"]].to_numpy()
        / usages[["Type1", "Type2", "Type3"]].sum(axis=1).to_numpy()[:, None]
    )
    one = (adata.obs["cell_type"] == "Type1").to_numpy()
    assert np.corrcoef(logits[one].T)[0, 1] == pytest.approx(0.5, abs=0.1)


def test_genes_of_programs_and_their_weights():
    weights = (
        cell_type_programs(1, 4000, 3, n_activities=2, n_genes_per_program=1000, strength=1.6, rng=3)
        .varm["programs"]
        .to_numpy()
    )
    assert ((weights != 0).sum(axis=0) == 1000).all()
    assert stats.kstest(weights[weights != 0], stats.uniform(0.8, 1.6).cdf).pvalue > 0.01
    # Programs share genes as often as chance has it
    member = weights != 0
    assert (member[:, 0] & member[:, 3]).sum() == pytest.approx(250, abs=5 * np.sqrt(250 * 0.75**2))


def test_batches_can_be_confounded_with_the_condition():
    arguments = {"n_genes_per_program": 10, "n_batches": 2, "depth": 10}
    adata = cell_type_programs(4000, 60, 3, n_activities=2, **arguments, confounding=0.9, rng=4)
    table = adata.obs.groupby("perturbation", observed=True)["batch"].value_counts(normalize=True)
    assert table["stimulated", "Batch1"] == pytest.approx(0.9, abs=0.03)
    assert table["control", "Batch1"] == pytest.approx(0.1, abs=0.03)
    balanced = cell_type_programs(4000, 60, 3, n_activities=2, **arguments, rng=4).obs
    table = balanced.groupby("perturbation", observed=True)["batch"].value_counts(normalize=True)
    assert table["stimulated", "Batch1"] == pytest.approx(0.5, abs=0.05)
    assert "batch_factor" not in cell_type_programs(10, 60, 3, n_activities=2, n_genes_per_program=10).varm


def test_depth_varies_strongly():
    adata = cell_type_programs(3000, 500, depth=800, rng=5)
    assert stats.kstest(np.log(adata.obs["depth"]), stats.norm(np.log(800), 0.6).cdf).pvalue > 0.01
    totals = np.asarray(adata.X.sum(axis=1)).ravel()
    assert np.corrcoef(np.log(totals), np.log(adata.obs["depth"]))[0, 1] > 0.95


def test_the_same_seed_gives_the_same_and_more_cells_the_same_genes():
    first, again, more = (cell_type_programs(n, 100, rng=8) for n in (50, 50, 80))
    np.testing.assert_array_equal(first.X.toarray(), again.X.toarray())
    np.testing.assert_array_equal(first.varm["programs"], more.varm["programs"])
    other = cell_type_programs(50, 100, rng=9)
    assert (first.varm["programs"].to_numpy() != other.varm["programs"].to_numpy()).any()


@pytest.mark.parametrize("format", ["h5ad", "zarr"])
def test_round_trip(format, tmp_path):
    adata = cell_type_programs(20, 60, n_batches=2, rng=10)
    path = tmp_path / f"x.{format}"
    getattr(adata, f"write_{format}")(path)
    read = getattr(ad, f"read_{format}")(path)
    np.testing.assert_array_equal(read.X.toarray(), adata.X.toarray())
    for slot, key in (("obsm", "programs"), ("varm", "programs"), ("varm", "batch_factor")):
        found, expected = getattr(read, slot)[key], getattr(adata, slot)[key]
        np.testing.assert_array_equal(found, expected)
        assert list(found.columns) == list(expected.columns)
    assert read.uns["truth"]["params"]["correlation"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 0}, "`n_cells` must be at least 1, but is 0"),
        ({"n_types": 0}, "`n_types` must be at least 1"),
        ({"n_activities": -1}, "`n_activities` must be at least 0"),
        ({"usage": 0.0}, "`usage` must be above 0"),
        ({"correlation": 1.0}, "`correlation` must be at least 0 and below 1"),
        ({"stimulated": 1.5}, "`stimulated` must be between 0 and 1"),
        ({"n_genes": 40}, "`n_genes_per_program` must be at most `n_genes`, 40, but is 50"),
        ({"confounding": 0.9}, "set `n_batches` to at least 2, not 1"),
        ({"confounding": 1.1, "n_batches": 2}, "`confounding` must be between 0 and 1"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        cell_type_programs(**arguments)
