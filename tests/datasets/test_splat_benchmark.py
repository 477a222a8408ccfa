from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import stats

from scpi.datasets import splat, splat_benchmark, splat_configurations

TABLE = splat_configurations()


def test_the_configurations():
    assert len(TABLE) == 36
    assert TABLE.index.is_unique
    for design in ("balanced", "imbalanced"):
        for n_groups in (2, 3):
            rows = TABLE[(TABLE["design"] == design) & (TABLE["n_groups"] == n_groups)]
            assert set(zip(rows["de_prob"], rows["dropout_mid"], strict=True)) == {
                (share, mid) for share in (0.05, 0.1, 0.3) for mid in (-1.0, 0.0, 1.0)
            }
    balanced, imbalanced = (TABLE[TABLE["design"] == design] for design in ("balanced", "imbalanced"))
    assert (balanced["n_cells"] == 250 * balanced["n_groups"]).all()
    assert (balanced["de_fac_scale"] == 0.25).all()
    assert (imbalanced["n_cells"] == 3000).all()
    assert (imbalanced["de_fac_scale"] == 0.2).all()
    assert set(imbalanced["group_prob"]) == {(0.3, 0.7), (0.2, 0.3, 0.5)}
    assert all(np.ptp(prob) == 0 for prob in balanced["group_prob"])


# What one run of the R package gave, and what a second implementation in NumPy gave
@pytest.mark.parametrize(("mid", "low", "high"), [(-1, 0.075, 0.09), (0, 0.155, 0.18), (1, 0.285, 0.32)])
def test_rates_of_dropout(mid, low, high):
    for name in (f"imbalanced_k3_de0.1_mid{mid}", f"balanced_k2_de0.3_mid{mid}"):
        assert low < splat_benchmark(name, rng=0).uns["truth"]["dropout_rate"] < high


@pytest.mark.parametrize("name", ["balanced_k2_de0.05_mid-1", "balanced_k3_de0.3_mid1", "imbalanced_k2_de0.1_mid0"])
def test_a_set_is_what_its_configuration_says(name):
    adata, row = splat_benchmark(name, rng=1), TABLE.loc[name]
    assert adata.shape == (row["n_cells"], 2500)
    assert adata.uns["truth"]["configuration"] == name
    params = adata.uns["truth"]["params"]
    assert params["dropout_mid"] == row["dropout_mid"]
    assert params["dropout_shape"] == -1
    assert (params["de_fac_scale"] == row["de_fac_scale"]).all()
    factor = adata.varm["de_factor"].to_numpy()
    assert factor.shape == (2500, row["n_groups"])
    n, share = 2500, row["de_prob"]
    assert np.abs((factor != 1).sum(axis=0) - n * share).max() < 4 * np.sqrt(n * share * (1 - share))
    sizes = np.log(np.abs(np.log(factor[factor != 1])))
    assert (
        stats.kstest(np.exp(sizes), stats.foldnorm(0.1 / row["de_fac_scale"], scale=row["de_fac_scale"]).cdf)[1] > 1e-3
    )
    observed = adata.obs["group"].value_counts().sort_index().to_numpy()
    assert stats.chisquare(observed, np.array(row["group_prob"]) * row["n_cells"]).pvalue > 1e-3


def test_sets_share_nothing_at_the_same_seed():
    names = [name for name in TABLE.index if name.startswith("balanced_k2")]
    sets = [splat_benchmark(name, rng=100) for name in names]
    base = np.stack([adata.var["base_mean"] for adata in sets])
    related = np.corrcoef(stats.rankdata(base, axis=1)) - np.eye(len(names))
    assert np.abs(related).max() < 4 / np.sqrt(2500)
    changed = np.stack([(adata.varm["de_factor"]["Group1"] != 1).to_numpy() for adata in sets])
    assert np.abs(np.corrcoef(changed) - np.eye(len(names))).max() < 4 / np.sqrt(2500)


def test_seeds():
    name = "balanced_k2_de0.1_mid0"
    first, again, other = (splat_benchmark(name, rng=seed) for seed in (7, np.int64(7), 8))
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0
    drawn = splat_benchmark(name, rng=np.random.default_rng(5))
    direct = splat(500, group_prob=(0.5, 0.5), de_prob=0.1, de_fac_scale=0.25, dropout_mid=0.0, rng=5)
    assert (drawn.X != direct.X).nnz == 0


def test_round_trip(tmp_path):
    adata = splat_benchmark("balanced_k2_de0.1_mid0")
    adata.write_h5ad(tmp_path / "set.h5ad")
    assert ad.read_h5ad(tmp_path / "set.h5ad").uns["truth"]["configuration"] == "balanced_k2_de0.1_mid0"


def test_an_unknown_configuration():
    with pytest.raises(KeyError, match=r"no configuration 'balanced', only 'balanced_k2_de0.05_mid-1', .*mid1'"):
        splat_benchmark("balanced")
    with pytest.raises(TypeError, match="rng"):
        splat_benchmark("balanced_k2_de0.1_mid0", rng=True)
