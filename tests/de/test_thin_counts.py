from __future__ import annotations

import warnings

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData, read_h5ad
from mudata import MuData
from scipy import sparse, stats
from sklearn.cluster import KMeans

from scpi.de import estimate_overdispersion, rank_genes, thin_counts, wilcoxon


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    counts = rng.poisson(2.0 * rng.gamma(2.0, 0.5, size=(300, 40))).astype(np.float32)
    return AnnData(sparse.csr_matrix(counts))


def test_both_parts_are_stored_and_survive_a_file(cells, tmp_path):
    before = cells.X.copy()
    assert thin_counts(cells, fraction=0.7, rng=0) is None
    cells.write_h5ad(tmp_path / "cells.h5ad")
    cells = read_h5ad(tmp_path / "cells.h5ad")
    train, test = cells.layers["thinned_train"], cells.layers["thinned_test"]
    assert sparse.issparse(train)
    np.testing.assert_array_equal((train + test).toarray(), before.toarray())
    assert 0.66 < train.sum() / before.sum() < 0.74
    assert dict(cells.uns["thinned"]["params"]) == {
        "fraction": 0.7,
        "overdispersion": "estimated",
        "train_layer": "thinned_train",
        "test_layer": "thinned_test",
    }
    np.testing.assert_allclose(cells.var["thinned_overdispersion"], 0.5, atol=0.15)


def test_the_overdispersion_may_be_given(cells):
    given = np.linspace(0.0, 1.0, 40)
    copied = thin_counts(cells, overdispersion=given, key_added="mine", rng=0, copy=True)
    assert not cells.layers
    np.testing.assert_array_equal(copied.var["mine_overdispersion"], given)
    assert copied.uns["mine"]["params"]["overdispersion"] == "given"
    poisson = thin_counts(cells, overdispersion=0, rng=0, copy=True)
    np.testing.assert_array_equal(poisson.var["thinned_overdispersion"], 0.0)


def test_a_layer_or_a_modality_can_be_thinned(cells):
    cells.layers["counts"] = cells.X.copy()
    sc.pp.log1p(cells)
    data = MuData({"rna": cells})
    thin_counts(data, layer="counts", mod="rna", rng=0)
    thinned = data.mod["rna"]
    total = thinned.layers["thinned_train"] + thinned.layers["thinned_test"]
    np.testing.assert_array_equal(total.toarray(), cells.layers["counts"].toarray())
    assert thinned.uns["thinned"]["params"]["layer"] == "counts"
    del cells.layers["counts"]
    with pytest.raises(ValueError, match="looks like log-normalised"):
        thin_counts(cells)


def test_the_seed_fixes_everything(cells):
    one, two = (thin_counts(cells, rng=5, copy=True).layers["thinned_train"] for _ in range(2))
    assert (one != two).nnz == 0


def test_nothing_is_written_on_failure(cells):
    for arguments, message in [
        ({"fraction": 1.5}, "between 0 and 1"),
        ({"overdispersion": "guess"}, "'guess'"),
        ({"overdispersion": [1.0, 2.0]}, "40 genes"),
    ]:
        with pytest.raises(ValueError, match=message):
            thin_counts(cells, **arguments)
    with pytest.raises(KeyError, match="no 'counts'"):
        thin_counts(cells, layer="counts")
    assert not cells.layers
    assert not cells.uns


def test_clusters_of_the_train_part_do_not_show_in_the_test_part():
    """One population cut in two at the strongest principal component, as a clustering cuts it."""
    rng = np.random.default_rng(3)
    correlations = []
    for _ in range(20):
        counts = rng.poisson(3.0 * rng.gamma(2.0, 0.5, size=(400, 50)))
        adata = thin_counts(AnnData(counts.astype(np.float32)), rng=rng, copy=True)
        train, test = (np.log1p(adata.layers[f"thinned_{part}"]) for part in ("train", "test"))
        train = train - train.mean(axis=0)
        direction = np.linalg.svd(train, full_matrices=False)[2][0]
        side = train @ direction > 0
        # Differences of the test part along the direction that the train part chose
        correlations.append(np.corrcoef(test @ direction, side)[0, 1])
    # 20 correlations of 400 cells, each of standard error 1 / 20
    assert abs(np.mean(correlations)) < 3.0 / 20.0 / np.sqrt(20.0)


@pytest.mark.parametrize("overdispersion", [0.0, 0.5])
def test_p_holds_after_clustering_the_train_part(overdispersion):
    """One population cut in two by k-means: naive tests reject a quarter of the genes, thinned ones a twentieth."""
    rng = np.random.default_rng(1)
    naive, thinned = [], []
    for seed in range(25):
        rate = np.full((400, 40), 3.0)
        if overdispersion:
            rate *= rng.gamma(1.0 / overdispersion, overdispersion, size=rate.shape)
        adata = AnnData(rng.poisson(rate).astype(np.float32))
        thin_counts(adata, rng=seed)

        def clusters(counts, seed=seed):
            return KMeans(2, n_init=3, random_state=seed).fit_predict(np.log1p(counts)).astype(int)

        train, test = (adata.layers[f"thinned_{part}"] for part in ("train", "test"))
        naive.append((wilcoxon(adata.X, clusters(adata.X), reference=0).pval[1] < 0.05).mean())
        thinned.append((wilcoxon(test, clusters(train), reference=0).pval[1] < 0.05).mean())
    assert np.mean(naive) > 0.2
    # Genes of one data set share a clustering, so the interval is over data sets
    low, high = stats.t.interval(0.99, len(thinned) - 1, np.mean(thinned), stats.sem(thinned))
    assert low < 0.05 < high
    assert high - low < 0.06


def test_rank_genes_knows_the_test_part(cells):
    cells.obs["leiden"] = np.where(np.arange(300) % 2, "0", "1")
    thin_counts(cells, rng=0)
    with pytest.warns(UserWarning, match="thin_counts"):
        rank_genes(cells, "leiden", layer="thinned_train")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rank_genes(cells, "leiden", layer="thinned_test")


def test_the_estimate_is_that_of_its_own_function(cells):
    thin_counts(cells, rng=7)
    expected = estimate_overdispersion(cells.X, rng=7)
    np.testing.assert_array_equal(cells.var["thinned_overdispersion"], expected)
