from __future__ import annotations

import tracemalloc

import anndata as ad
import numpy as np
import pytest
from scipy import integrate, special, stats

from scpi.datasets import _program_draw, gene_programs

# One depth and no base: moments have a closed form
PLAIN = {"depth_scale": 0.0, "base_scale": 0.0, "n_genes_per_program": 10}


def expected_counts(adata):
    """Mean count of each gene in each cell, from the truth that is stored."""
    logits = np.log(adata.var["base_mean"].to_numpy())
    logits = logits + adata.obsm["programs"].to_numpy() @ adata.varm["programs"].to_numpy().T
    if "batch_factor" in adata.varm:
        logits = logits + np.log(adata.varm["batch_factor"]).to_numpy().T[adata.obs["batch"].cat.codes]
    return adata.obs["depth"].to_numpy()[:, None] * special.softmax(logits, axis=1)


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_mean_and_variance_of_counts(dispersion):
    adata = gene_programs(3000, 60, 4, n_batches=3, signed=True, dispersion=dispersion, n_genes_per_program=10, rng=1)
    counts, mean = adata.X.toarray().astype(float), expected_counts(adata)
    variance = mean + dispersion * mean**2
    z = (counts - mean).sum(axis=0) / np.sqrt(variance.sum(axis=0))
    assert np.abs(z).max() < 4.5
    # Pearson residuals: their mean square is 1
    squares = (counts - mean) ** 2 / variance
    assert squares.mean() == pytest.approx(1.0, abs=5 * squares.std() / np.sqrt(squares.size))
    # Within each program and batch too, so that both act where it is said that they do
    for chosen in (adata.obsm["programs"]["Program1"] > 1, adata.obs["batch"] == "Batch2"):
        rows = chosen.to_numpy()
        z = (counts - mean)[rows].sum(axis=0) / np.sqrt(variance[rows].sum(axis=0))
        assert np.abs(z).max() < 4.5
    assert (adata.X.data == np.round(adata.X.data)).all()


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_activities_are_zero_or_gamma_whatever_the_correlation(correlation):
    activity = (
        gene_programs(
            20_000, 40, 3, correlation=correlation, probability=0.35, activity_shape=3.0, **PLAIN, depth=10, rng=2
        )
        .obsm["programs"]
        .to_numpy()
    )
    on = activity > 0
    np.testing.assert_allclose(on.mean(axis=0), 0.35, atol=4 * np.sqrt(0.35 * 0.65 / 20_000))
    for column, chosen in zip(activity.T, on.T, strict=True):
        assert stats.kstest(column[chosen], stats.gamma(3.0, scale=1 / 3.0).cdf).pvalue > 0.005
    # Both on: a corner of the bivariate normal distribution
    threshold = stats.norm.isf(0.35)

    def corner(x):
        return stats.norm.pdf(x) * stats.norm.sf((threshold - correlation * x) / np.sqrt(1 - correlation**2))

    both = integrate.quad(corner, threshold, np.inf)[0]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (on[:, i] & on[:, j]).mean() == pytest.approx(both, abs=4 * np.sqrt(both / 20_000))
    # How far a program is on goes with how far the others are, too
    found = stats.spearmanr(*activity[on[:, 0] & on[:, 1], :2].T).statistic
    assert (found > 0.15) if correlation else abs(found) < 0.08


@pytest.mark.parametrize(("overlap", "shared"), [(0.0, 0), (0.3, 6), (0.5, 10)])
def test_neighbours_share_what_was_asked_for(overlap, shared):
    member = gene_programs(1, 200, 5, n_genes_per_program=20, overlap=overlap, rng=3).varm["programs"].to_numpy() != 0
    common = member.T.astype(int) @ member.astype(int)
    ring = np.eye(5, k=1) + np.eye(5, k=-1) + np.eye(5, k=4) + np.eye(5, k=-4)
    np.testing.assert_array_equal(common, 20 * np.eye(5) + shared * ring)
    assert member.sum(axis=1).max() <= 2


def test_the_genes_of_programs_lie_anywhere():
    member = gene_programs(1, 2000, 4, n_genes_per_program=250, rng=4).varm["programs"].to_numpy() != 0
    assert stats.kstest(np.flatnonzero(member.any(axis=1)) / 2000, stats.uniform.cdf).pvalue > 0.01


def test_weights():
    for signed in (False, True):
        weights = gene_programs(1, 8000, 4, n_genes_per_program=2000, strength=0.8, signed=signed, rng=5).varm[
            "programs"
        ]
        values = weights.to_numpy()[weights.to_numpy() != 0]
        assert stats.kstest(np.abs(values), stats.uniform(0.4, 0.8).cdf).pvalue > 0.01
        assert (values < 0).mean() == pytest.approx(0.5 * signed, abs=4 * np.sqrt(0.25 / 8000) * signed)
    # A gene in two programs has a weight of its own in each
    both = gene_programs(1, 8000, 4, n_genes_per_program=2000, overlap=0.5, rng=5).varm["programs"].to_numpy()
    both = both[(both > 0).sum(axis=1) == 2]
    assert abs(stats.spearmanr(*np.sort(both, axis=1)[:, 2:].T).statistic) < 0.7
    assert len(np.unique(both[both > 0])) == (both > 0).sum()


def test_depths_base_and_batches():
    adata = gene_programs(4000, 3000, 2, n_batches=2, batch_scale=0.4, depth=800, depth_scale=0.5, rng=6)
    depths = np.log(adata.obs["depth"])
    assert stats.kstest(depths, stats.norm(np.log(800), 0.5).cdf).pvalue > 0.01
    totals = np.asarray(adata.X.sum(axis=1)).ravel()
    assert np.corrcoef(np.log(totals), depths)[0, 1] > 0.95
    assert np.median(totals) == pytest.approx(800, rel=0.05)
    assert stats.kstest(np.log(adata.var["base_mean"]), stats.norm.cdf).pvalue > 0.01
    shifts = np.log(adata.varm["batch_factor"].to_numpy())
    assert stats.kstest(shifts.ravel(), stats.norm(0, 0.4).cdf).pvalue > 0.01
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.06
    assert stats.binomtest(int((adata.obs["batch"] == "Batch1").sum()), 4000).pvalue > 0.001


def test_the_first_program_can_be_confounded_with_the_batch():
    adata = gene_programs(4000, 60, 3, **PLAIN, n_batches=2, confounding=0.9, rng=13)
    on, first = adata.obsm["programs"].to_numpy() > 0, (adata.obs["batch"] == "Batch1").to_numpy()
    assert first[on[:, 0]].mean() == pytest.approx(0.9, abs=0.03)
    assert first[~on[:, 0]].mean() == pytest.approx(0.1, abs=0.03)
    assert abs(first[on[:, 1]].mean() - first[~on[:, 1]].mean()) < 0.06
    # The counts have the factors of these batches
    counts, mean = adata.X.toarray(), expected_counts(adata)
    z = (counts - mean)[first].sum(axis=0) / np.sqrt((mean + 0.1 * mean**2)[first].sum(axis=0))
    assert np.abs(z).max() < 4.5


def test_one_batch_shifts_nothing():
    adata = gene_programs(10, 50, 2, **PLAIN, n_batches=1, rng=7)
    assert "batch_factor" not in adata.varm
    assert adata.obs["batch"].unique().tolist() == ["Batch1"]


def test_the_same_seed_gives_the_same_and_more_cells_the_same_genes():
    first, again, more = (gene_programs(n, 100, 3, **PLAIN, rng=8) for n in (50, 50, 80))
    np.testing.assert_array_equal(first.X.toarray(), again.X.toarray())
    np.testing.assert_array_equal(first.varm["programs"], more.varm["programs"])
    other = gene_programs(50, 100, 3, **PLAIN, rng=9)
    assert (first.varm["programs"].to_numpy() != other.varm["programs"].to_numpy()).any()


@pytest.mark.parametrize("format", ["h5ad", "zarr"])
def test_round_trip(format, tmp_path):
    adata = gene_programs(20, 60, 3, n_batches=2, **PLAIN, rng=10)
    path = tmp_path / f"x.{format}"
    getattr(adata, f"write_{format}")(path)
    read = getattr(ad, f"read_{format}")(path)
    np.testing.assert_array_equal(read.X.toarray(), adata.X.toarray())
    for slot, key in (("obsm", "programs"), ("varm", "programs"), ("varm", "batch_factor")):
        found, expected = getattr(read, slot)[key], getattr(adata, slot)[key]
        np.testing.assert_array_equal(found, expected)
        assert list(found.columns) == list(expected.columns)
    assert read.uns["truth"]["params"].keys() == adata.uns["truth"]["params"].keys()
    assert read.uns["truth"]["params"]["probability"] == 0.35


def test_blocks_of_cells_change_nothing_of_the_distribution(monkeypatch):
    monkeypatch.setattr(_program_draw, "_BLOCK", 500)
    adata = gene_programs(1000, 60, 3, n_batches=2, n_genes_per_program=10, rng=11)
    counts, mean = adata.X.toarray(), expected_counts(adata)
    z = (counts - mean).sum(axis=0) / np.sqrt((mean + 0.1 * mean**2).sum(axis=0))
    assert np.abs(z).max() < 4.5


def test_memory_is_that_of_a_block_and_of_the_counts():
    tracemalloc.start()
    gene_programs(20_000, 1000, 4, depth=100, rng=12)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 1000 * 8 / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_cells": 0}, "`n_cells` must be at least 1, but is 0"),
        ({"n_programs": 0}, "`n_programs` must be at least 1"),
        ({"overlap": 0.6}, "`overlap` must be between 0 and 0.5, but is 0.6"),
        ({"overlap": 0.3, "n_programs": 2}, "use at least 3, not 2"),
        ({"correlation": 1.0}, "`correlation` must be at least 0 and below 1"),
        ({"probability": 0.0}, "`probability` must be above 0 and at most 1"),
        ({"dispersion": -1.0}, "`dispersion` must be at least 0"),
        ({"strength": 0.0}, "`strength` must be above 0"),
        ({"confounding": 0.9}, "set `n_batches` to at least 2, not 1"),
        ({"n_genes": 100}, "The programs need 400 genes, but `n_genes` is 100"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        gene_programs(**arguments)
