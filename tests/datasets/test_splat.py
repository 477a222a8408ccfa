from __future__ import annotations

import tracemalloc

import anndata as ad
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, sparse, stats

from scpi.datasets import _splat, splat

# No differential expression, one library size, one coefficient of variation: moments have a closed form
PLAIN = {"group_prob": (1.0,), "de_prob": 0.0, "lib_scale": 0.0, "bcv_df": 1e12}


def expected_counts(adata, library):
    """Mean count of each gene in each group, from the truth that is stored."""
    weight = adata.var["base_mean"].to_numpy()[:, None] * adata.varm["de_factor"].to_numpy()
    return library * weight / weight.sum(axis=0)


def test_mean_and_variance_of_counts():
    n = 4000
    adata = splat(n, n_genes=150, lib_loc=7.5, bcv_common=0.3, **PLAIN, rng=1)
    counts, mean = adata.X.toarray(), expected_counts(adata, np.exp(7.5))[:, 0]
    variance = mean + (0.3 * mean + np.sqrt(mean)) ** 2
    np.testing.assert_array_less(np.abs(counts.mean(axis=0) - mean), 4.5 * np.sqrt(variance / n) + 1e-9)
    kept = mean > 5
    assert kept.sum() > 50
    # The error of a variance of such skewed values is taken from the values themselves
    squares = (counts - mean)[:, kept] ** 2
    z = (squares.mean(axis=0) - variance[kept]) / (squares.std(axis=0) / np.sqrt(n))
    assert np.abs(z.mean()) < 4 / np.sqrt(kept.sum())
    assert np.abs(z).max() < 5


def test_the_coefficient_of_variation_differs_between_genes_as_chi_square():
    adata = splat(3000, n_genes=400, lib_loc=9.0, bcv_common=0.5, **{**PLAIN, "bcv_df": 8.0}, mean_shape=5.0, rng=2)
    counts, mean = adata.X.toarray().astype(float), expected_counts(adata, np.exp(9.0))[:, 0]
    spread = (counts.var(axis=0) - mean) / (0.5 * mean + np.sqrt(mean)) ** 2
    assert stats.kstest(8.0 / spread, stats.chi2(8).cdf).pvalue > 0.01
    assert stats.kstest(5.0 / spread, stats.chi2(5).cdf).pvalue < 0.01


def test_library_sizes_are_log_normal():
    totals = np.log(np.asarray(splat(1000, n_genes=3000, lib_loc=12.0, lib_scale=0.5, rng=3).X.sum(axis=1)).ravel())
    # Noise of the genes averages out over so many of them
    assert totals.mean() == pytest.approx(12.0, abs=4 * 0.5 / np.sqrt(1000))
    assert totals.std() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))
    assert stats.kstest(totals, stats.norm(12.0, 0.5).cdf).pvalue > 0.01


def test_base_means_and_outliers():
    var = splat(1, n_genes=40_000, out_prob=0.1, rng=4).var
    n_outliers = var["is_outlier"].sum()
    assert n_outliers == pytest.approx(4000, abs=4 * np.sqrt(40_000 * 0.09))
    base = stats.gamma(0.6, scale=1 / 0.3)
    assert stats.kstest(var["base_mean"][~var["is_outlier"]], base.cdf).pvalue > 0.01
    above = np.log(var["base_mean"][var["is_outlier"]] / base.median())
    assert above.mean() == pytest.approx(4.0, abs=0.05)
    assert above.std() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("down", "loc", "scale"), [(0.5, 0.1, 0.4), (0.2, 0.3, 0.25), (0.0, -0.5, 0.2)])
def test_factors(down, loc, scale):
    adata = splat(1, n_genes=30_000, de_prob=0.3, de_down_prob=down, de_fac_loc=loc, de_fac_scale=scale, rng=5)
    for factor in adata.varm["de_factor"].to_numpy().T:
        logs = np.log(factor[factor != 1])
        assert len(logs) == pytest.approx(9000, abs=4 * np.sqrt(30_000 * 0.21))
        assert (logs < 0).mean() == pytest.approx(down, abs=4 * np.sqrt(0.25 / 9000) if down else 0)
        # On either side, the size is that of the log-normal draw, whichever side it was on
        folded = stats.foldnorm(abs(loc) / scale, scale=scale)
        for side in (logs[logs > 0], -logs[logs < 0]):
            assert len(side) == 0 or stats.kstest(side, folded.cdf).pvalue > 0.005
    assert abs(np.corrcoef(np.log(adata.varm["de_factor"].to_numpy()).T)[0, 1]) < 0.03


def test_each_group_has_settings_of_its_own():
    adata = splat(
        10,
        n_genes=20_000,
        group_prob=(0.2, 0.3, 0.5),
        de_prob=(0.0, 0.1, 0.4),
        de_down_prob=(0.5, 1.0, 0.0),
        de_fac_loc=(0.1, 1.0, 2.0),
        de_fac_scale=(0.1, 0.0, 0.3),
    )
    first, second, third = adata.varm["de_factor"].to_numpy().T
    assert (first == 1).all()
    np.testing.assert_allclose(np.unique(second), [np.exp(-1.0), 1.0])
    assert (second != 1).mean() == pytest.approx(0.1, abs=0.01)
    assert np.log(third[third != 1]).mean() == pytest.approx(2.0, abs=0.02)


def test_counts_of_groups_follow_their_factors():
    adata = splat(
        6000, n_genes=100, group_prob=(0.2, 0.3, 0.5), de_prob=0.5, lib_loc=8.0, lib_scale=0.0, bcv_common=0.0, rng=6
    )
    sizes = adata.obs["group"].value_counts()
    for name, share in zip(["Group1", "Group2", "Group3"], [0.2, 0.3, 0.5], strict=True):
        assert sizes[name] == pytest.approx(6000 * share, abs=4 * np.sqrt(6000 * share * (1 - share)))
    expected = expected_counts(adata, np.exp(8.0))
    for i, name in enumerate(["Group1", "Group2", "Group3"]):
        found = np.asarray(adata.X[(adata.obs["group"] == name).to_numpy()].mean(axis=0)).ravel()
        # Without a common coefficient the variance is a few times the mean
        error = np.sqrt(4 * expected[:, i] / sizes[name])
        assert (np.abs(found - expected[:, i]) < 4.5 * error + 1e-6).all()


def test_fold_change_against_the_rest():
    adata = splat(10, n_genes=50, group_prob=(0.2, 0.3, 0.5), de_prob=0.5)
    one, two, three = adata.varm["de_factor"].to_numpy().T
    expected = np.log2([one / ((0.3 * two + 0.5 * three) / 0.8), two / ((0.2 * one + 0.5 * three) / 0.7)])
    np.testing.assert_allclose(adata.varm["log2fc_rest"].to_numpy()[:, :2].T, expected)
    pair = splat(10, n_genes=50, group_prob=(0.3, 0.7), de_prob=0.5).varm
    np.testing.assert_allclose(pair["log2fc_rest"]["Group1"], -pair["log2fc_rest"]["Group2"])
    # No gene without a factor counts as changed, not even by rounding
    for seed in range(5):
        prob = np.random.default_rng(seed).dirichlet([1.0] * 7)
        varm = splat(10, n_genes=500, group_prob=prob, de_prob=0.1, rng=seed).varm
        unchanged = (varm["de_factor"] == 1).all(axis=1)
        assert 200 < unchanged.sum() < 300
        assert (varm["log2fc_rest"][unchanged] == 0).all(axis=None)
        assert (varm["log2fc_rest"][~unchanged] != 0).all(axis=None)
    assert splat(10, n_genes=50, group_prob=[1.0]).varm["log2fc_rest"].isna().all(axis=None)


def test_batches():
    adata = splat(5000, n_genes=80, lib_loc=8.0, batch_prob=(0.4, 0.6), bcv_common=0.0, **PLAIN, rng=7)
    assert adata.obs["batch"].value_counts()["Batch1"] == pytest.approx(2000, abs=4 * np.sqrt(5000 * 0.24))
    weight = adata.var["base_mean"].to_numpy()[:, None] * adata.varm["batch_factor"].to_numpy()
    expected = np.exp(8.0) * weight / weight.sum(axis=0)
    for i, name in enumerate(["Batch1", "Batch2"]):
        rows = (adata.obs["batch"] == name).to_numpy()
        found = np.asarray(adata.X[rows].mean(axis=0)).ravel()
        assert (np.abs(found - expected[:, i]) < 4.5 * np.sqrt(4 * expected[:, i] / rows.sum()) + 1e-6).all()
    factors = np.log(splat(1, n_genes=20_000, batch_prob=(0.5, 0.5)).varm["batch_factor"].to_numpy())
    assert (factors != 0).all()
    assert (factors < 0).mean() == pytest.approx(0.5, abs=0.01)
    assert stats.kstest(np.abs(factors[:, 0]), stats.foldnorm(1.0, scale=0.1).cdf).pvalue > 0.01
    assert "batch_factor" not in splat(10, n_genes=20).varm


def test_dropout_by_quadrature():
    n, mid, shape = 6000, 1.0, -1.5
    settings = {"lib_loc": 5.5, "bcv_common": 0.2, **PLAIN}
    adata = splat(n, n_genes=60, dropout_mid=mid, dropout_shape=shape, **settings, rng=8)
    counts = adata.X.toarray()
    for gene, mean in enumerate(expected_counts(adata, np.exp(5.5))[:, 0]):
        if not 0.2 < mean < 100:
            continue
        squared = (0.2 + mean**-0.5) ** 2
        density = stats.gamma(1 / squared, scale=mean * squared).pdf

        def kept(mu, density=density):
            return density(mu) * mu / (1 + np.exp(shape * (np.log(mu) - mid)))

        # In logarithms, as the density has no bound at zero
        value = integrate.quad(lambda s, kept=kept: kept(np.exp(s)) * np.exp(s), -20, 10, limit=200)[0]
        assert counts[:, gene].mean() == pytest.approx(value, abs=4.5 * counts[:, gene].std() / np.sqrt(n))


def test_the_rate_of_dropout_is_what_was_lost():
    without = splat(200, n_genes=300, rng=9)
    assert without.uns["truth"]["dropout_rate"] == 0
    assert "dropout_mid" not in without.uns["truth"]["params"]
    everything = splat(200, n_genes=300, dropout_mid=200.0, rng=9)
    assert everything.X.nnz == 0
    assert everything.uns["truth"]["dropout_rate"] == 1
    # Far below the mid and above it there is nothing in between: genes are kept whole or not at all
    steep = splat(2000, n_genes=300, dropout_mid=0.0, dropout_shape=-1e3, rng=9, **PLAIN)
    plain = splat(2000, n_genes=300, rng=9, **PLAIN)
    high = expected_counts(plain, np.exp(11.0))[:, 0] > 1000
    assert high.sum() > 5
    rates = [np.asarray((adata.X[:, high] > 0).mean(axis=0)).ravel() for adata in (plain, steep)]
    np.testing.assert_allclose(rates[0], rates[1], atol=0.01)


def test_no_cell_and_no_gene_has_to_have_counts():
    empty = splat(5, n_genes=10, lib_loc=-50.0)
    assert empty.X.nnz == 0
    assert empty.uns["truth"]["dropout_rate"] == 0
    assert splat(1, n_genes=1).shape == (1, 1)


def test_seeds():
    first, again, other = (splat(30, n_genes=40, dropout_mid=0.0, rng=seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.X.toarray(), again.X.toarray())
    assert not np.array_equal(first.X.toarray(), other.X.toarray())
    generator = np.random.default_rng(7)
    np.testing.assert_array_equal(splat(30, n_genes=40, dropout_mid=0.0, rng=generator).X.toarray(), first.X.toarray())
    assert not np.array_equal(splat(30, n_genes=40, dropout_mid=0.0, rng=generator).X.toarray(), first.X.toarray())
    # More cells at the same seed are cells of the same genes
    more = splat(90, n_genes=40, rng=7)
    np.testing.assert_array_equal(more.varm["de_factor"], first.varm["de_factor"])
    np.testing.assert_array_equal(more.var["base_mean"], first.var["base_mean"])


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_round_trip(tmp_path, suffix):
    adata = splat(20, n_genes=30, dropout_mid=0.0, batch_prob=(0.5, 0.5))
    path = tmp_path / f"cells.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    np.testing.assert_array_equal(back.X.toarray(), adata.X.toarray())
    for key in ("de_factor", "log2fc_rest", "batch_factor"):
        np.testing.assert_array_equal(back.varm[key], adata.varm[key])
        assert list(back.varm[key].columns) == list(adata.varm[key].columns)
    assert list(back.obs["group"].cat.categories) == ["Group1", "Group2"]
    np.testing.assert_array_equal(back.obs["group"].cat.codes, adata.obs["group"].cat.codes)
    truth = back.uns["truth"]
    assert truth["dropout_rate"] == adata.uns["truth"]["dropout_rate"]
    assert truth["params"]["dropout_mid"] == 0
    np.testing.assert_array_equal(truth["params"]["de_prob"], [0.1, 0.1])


def test_the_counts_are_never_dense_as_a_whole(monkeypatch):
    monkeypatch.setattr(_splat, "_BLOCK", 1 << 15)
    tracemalloc.start()
    adata = splat(4000, n_genes=1000, lib_loc=4.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.nnz < 0.1 * 4000 * 1000
    assert peak < 4000 * 1000 * 8 / 2


@given(
    n_cells=st.integers(1, 60),
    n_genes=st.integers(1, 60),
    prob=st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5),
    share=st.floats(0, 1),
    mid=st.none() | st.floats(-3, 3),
)
@settings(max_examples=25, deadline=None)
def test_any_numbers_give_counts(n_cells, n_genes, prob, share, mid):
    prob = np.array(prob) / np.sum(prob)
    adata = splat(n_cells, n_genes=n_genes, group_prob=prob, de_prob=share, out_prob=share, dropout_mid=mid)
    assert adata.shape == (n_cells, n_genes)
    values = adata.X.data
    assert ((values > 0) & (values == np.round(values))).all()
    assert adata.X.has_canonical_format
    assert (adata.varm["de_factor"] > 0).all(axis=None)
    assert 0 <= adata.uns["truth"]["dropout_rate"] <= 1


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"n_cells": 0}, "`n_cells` must be at least 1, but is 0"),
        ({"n_genes": -3}, "`n_genes` must be at least 1"),
        ({"group_prob": (0.5, 0.6)}, "`group_prob` must be probabilities above 0 that sum to 1"),
        ({"group_prob": (1.0, 0.0)}, "`group_prob`"),
        ({"group_prob": ()}, "`group_prob`"),
        ({"batch_prob": (np.nan, 0.5)}, "`batch_prob`"),
        ({"de_prob": 1.2}, "`de_prob` must be between 0 and 1, but is 1.2"),
        ({"de_prob": (0.1, 0.1, 0.1)}, "`de_prob` must be one number or one for each of the 2 groups"),
        ({"de_down_prob": (0.1, -0.1)}, "`de_down_prob` must be between 0 and 1"),
        ({"de_fac_scale": -0.1}, "`de_fac_scale` must be at least 0"),
        ({"de_fac_loc": np.inf}, "`de_fac_loc` must be finite"),
        ({"out_prob": np.nan}, "`out_prob`"),
        ({"mean_shape": 0.0}, "`mean_shape` must be above 0"),
        ({"mean_rate": -1.0}, "`mean_rate`"),
        ({"bcv_df": 0}, "`bcv_df`"),
        ({"bcv_common": -0.1}, "`bcv_common`"),
        ({"lib_scale": -1.0}, "`lib_scale`"),
        ({"dropout_mid": np.nan}, "`dropout_mid` must be finite"),
    ],
)
def test_bad_input(kwargs, match):
    with pytest.raises(ValueError, match=match):
        splat(**{"n_cells": 5, "n_genes": 5, **kwargs})
