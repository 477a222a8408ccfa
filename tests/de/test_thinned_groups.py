from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy import stats as sps

import scpi
from scpi.de import thin
from scpi.de._covariates import names_batches
from scpi.de._thinned_groups import agreement_within, associated_batches, depth_classes, describe_groups

N = 1200
TYPES, CONTINUUM = np.repeat([-1.0, 1.0], N // 2), np.linspace(-2.0, 2.0, N)


def cells(seed, *, place=None, overdispersion=0.0, thinned_at=None):
    """Both parts of counts whose genes change by their own slopes along the place of a cell, and depths vary."""
    rng = np.random.default_rng(seed)
    slope = np.where(np.arange(120) < 40, rng.choice([-0.6, 0.6], size=120), 0.0)
    rate = np.exp(0.4 * rng.normal(size=(N, 1)) + rng.normal(0.3, 0.7, size=120))
    if place is not None:
        rate = rate * np.exp(place[:, None] * slope)
    if overdispersion:
        rate = rate * rng.gamma(1.0 / overdispersion, overdispersion, size=rate.shape)
    counts = sparse.csr_matrix(rng.poisson(rate).astype(np.float32))
    given = overdispersion if thinned_at is None else thinned_at
    return thin(counts, overdispersion=given, rng=np.random.default_rng([seed, 1]))


def halves(train):
    """Two clusters, by the sign of the first principal component."""
    depth = np.asarray(train.sum(axis=1))
    logged = np.log1p(train.toarray() / np.maximum(depth, 1.0) * np.median(depth))
    scores = np.linalg.svd(logged - logged.mean(axis=0), full_matrices=False)[0][:, 0]
    return (scores > np.median(scores)).astype(np.intp)


def adata_of(train, test, codes, **obs):
    adata = ad.AnnData(train + test, layers={"thinned_train": train, "thinned_test": test})
    adata.uns["thinned"] = {"params": {"train_layer": "thinned_train", "test_layer": "thinned_test"}}
    for name, values in ({"half": np.array(["x", "y"])[codes]} | obs).items():
        adata.obs[name] = pd.Categorical(values)
    return adata


@pytest.mark.parametrize("overdispersion", [0.0, 0.3])
def test_parts_do_not_agree_within_halves_of_one_population_nor_within_types(overdispersion):
    pvals = []
    for seed in range(12):
        for place in (None, TYPES):
            train, test = cells(seed, place=place, overdispersion=overdispersion)
            codes = halves(train) if place is None else (place > 0).astype(np.intp)
            pvals += agreement_within(train, test, codes, None).pval.tolist()
    assert sps.kstest(pvals, "uniform").pvalue > 0.01


@pytest.mark.parametrize(
    ("given", "sign"),
    [
        ({"place": CONTINUUM}, 1),
        ({"overdispersion": 0.4, "thinned_at": 0.0}, 1),
        ({"overdispersion": 0.1, "thinned_at": 1.0}, -1),
    ],
)
def test_parts_agree_within_pieces_of_a_continuum_and_at_a_wrong_overdispersion(given, sign):
    for seed in range(3):
        train, test = cells(seed, **given)
        found = agreement_within(train, test, halves(train), None)
        assert (found.pval < 0.01).all()
        assert (np.sign(found.correlation) == sign).all()
        assert (np.abs(found.left) > 0.03).all()


def test_a_mixture_is_named_and_separate_types_are_not():
    train, test = cells(0, place=TYPES)
    codes = (TYPES > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scpi.de.rank_genes(adata_of(train, test, codes), "half", layer="thinned_test")
    wrong = codes.copy()
    wrong[:120] = 1
    adata = adata_of(train, test, wrong)
    with pytest.warns(UserWarning, match="Within 'y', the train and the test part .* no evidence of separate groups"):
        scpi.de.rank_genes(adata, "half", layer="thinned_test")
    assert adata.uns["rank_genes_groups"]["thinning"].set_index("group")["homogeneous"].to_dict() == {
        "x": True,
        "y": False,
    }


def test_the_agreement_is_that_of_residuals_by_hand():
    train, test = cells(1, place=CONTINUUM)
    codes = halves(train)
    codes[:50] = 2
    found = agreement_within(train, test, codes, 0)
    y, x = train.toarray().astype(float), test.toarray().astype(float)
    mine, other = codes == 1, codes == 0
    depth = [part.sum(axis=1) for part in (y, x)]
    rate = [part[mine].sum(axis=0) / of[mine].sum() for part, of in zip((y, x), depth, strict=True)]
    base = [part[other].sum(axis=0) / of[other].sum() for part, of in zip((y, x), depth, strict=True)]
    weight = (rate[0] - base[0]) / ((y[mine] - depth[0][mine, None] * rate[0]) ** 2).sum(axis=0)
    u, v = ((part[mine] - of[mine, None] * own) @ weight for part, of, own in zip((y, x), depth, rate, strict=True))
    expected = sps.spearmanr(u / np.sqrt(depth[0][mine]), v / np.sqrt(depth[1][mine])).statistic
    assert found.correlation[1] == pytest.approx(expected, abs=1e-6)
    assert found.pval[1] == pytest.approx(2 * sps.norm.sf(abs(expected) * np.sqrt(mine.sum() - 1)), rel=1e-4)
    gap = (rate[1] - base[1]) @ weight
    assert found.left[1] == pytest.approx((u @ v) / (depth[0][mine] @ depth[1][mine]) / gap**2, rel=1e-6)
    assert found.depth_ratio[1] == pytest.approx(depth[0][mine].mean() / depth[0][other].mean())


def test_classes_hold_cells_of_about_the_same_depth():
    train, test = cells(2)
    adata = adata_of(train, test, halves(train))
    found = depth_classes(adata, "thinned_train")
    depth = np.asarray(train.sum(axis=1)).ravel()
    assert np.bincount(found.codes).tolist() == [N // 10] * 10
    highest, lowest = (np.array([function(depth[found.codes == k]) for k in range(10)]) for function in (max, min))
    assert (highest[:-1] <= lowest[1:]).all()
    assert depth_classes(adata[:120].copy(), "thinned_train").categories.size == 2
    assert depth_classes(adata, "gone") is None


def test_the_default_of_thinned_counts_is_poisson_within_classes_of_depth(caplog):
    train, test = cells(3)
    adata = adata_of(train, test, halves(train), batch=np.tile(["1", "2"], N // 2))
    with caplog.at_level("INFO", logger="scpi"):
        scpi.de.rank_genes(adata, "half", layer="thinned_test", covariates="batch")
    assert "test part of thinned counts" in caplog.text
    params = adata.uns["rank_genes_groups"]["params"]
    assert {name: params[name] for name in ("method", "depth_classes", "train_layer")} == {
        "method": "poisson",
        "depth_classes": 10,
        "train_layer": "thinned_train",
    }
    classes = depth_classes(adata, "thinned_train")
    both = pd.DataFrame({"batch": adata.obs["batch"], "class": classes})
    expected = scpi.de.poisson(test, halves(train), reference=None, covariates=both)
    found = scpi.get.de_df(adata, group="y").set_index("gene")["pval"][adata.var_names]
    np.testing.assert_allclose(found, expected.pval[1], rtol=1e-6)
    for method in ("wilcoxon", "poisson"):
        scpi.de.rank_genes(adata, "half", layer="thinned_test", method=method)
        params = adata.uns["rank_genes_groups"]["params"]
        assert (params["method"], "depth_classes" in params) == (method, False)
    scpi.de.rank_genes(adata, "half")
    assert adata.uns["rank_genes_groups"]["params"]["method"] == "wilcoxon"
    assert "thinning" not in adata.uns["rank_genes_groups"]


def test_it_holds_where_groups_are_of_depth_and_rates_depend_on_it():
    """Genes whose rate rises or falls with depth, and groups that are the deep and the shallow cells."""
    rng = np.random.default_rng(4)
    log_depth = 0.6 * rng.normal(size=3000)
    slope = rng.normal(0.0, 0.3, size=300)
    rate = np.exp(log_depth[:, None] * (1.0 + slope))
    train, test = thin(sparse.csr_matrix(rng.poisson(2.0 * rate).astype(np.float32)), rng=0)
    depth = np.asarray(train.sum(axis=1)).ravel()
    codes = (np.log(depth) + 0.3 * rng.normal(size=3000) > np.log(np.median(depth))).astype(int)
    adata = adata_of(train, test, codes)
    rejected = {}
    for method in (None, "poisson", "wilcoxon"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scpi.de.rank_genes(adata, "half", layer="thinned_test", method=method, groups=["y"])
        rejected[method] = (scpi.get.de_df(adata)["pval"] < 0.05).mean()
    assert rejected[None] < 0.1
    assert rejected["poisson"] > 0.5
    assert rejected["wilcoxon"] > 0.5


def test_batches_that_go_with_the_groups_are_named_and_can_be_adjusted_for(tmp_path):
    train, test = cells(5, place=TYPES)
    batch = np.where((TYPES > 0) == (np.arange(N) % 10 > 0), "a", "b")
    adata = adata_of(train, test, (TYPES > 0).astype(int), donor=batch, cell_type=batch)
    with pytest.warns(UserWarning, match=r"The groups go with 'donor' of `obs`.*covariates=\['donor'\]"):
        scpi.de.rank_genes(adata, "half", layer="thinned_test")
    assert adata.uns["rank_genes_groups"]["params"]["associated"].tolist() == ["donor"]
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad").uns["rank_genes_groups"]
    pd.testing.assert_frame_equal(read["thinning"], adata.uns["rank_genes_groups"]["thinning"], check_dtype=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scpi.de.rank_genes(adata, "half", layer="thinned_test", covariates="donor")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.repeat(["a", "b"], 50), ["batch"]),
        (np.tile(["a", "b"], 50), []),
        (np.repeat("a", 100), []),
        ([f"cell{i}" for i in range(100)], []),
        (np.repeat([1, 2], 50), ["batch"]),
        ([None] * 10 + ["a"] * 40 + ["b"] * 50, ["batch"]),
    ],
)
def test_association_is_of_labels_that_cells_share(values, found):
    obs = pd.DataFrame({"batch": values})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert associated_batches(obs, np.repeat([0, 1], 50), []) == found
        assert associated_batches(obs, np.repeat([0, 1], 50), ["batch"]) == []


def test_names_of_batches():
    named = ["batch", "donor_id", "orig.sample", "Plates", "libraryPrep"]
    others = ["cluster", "clone_id", "active.ident", "leiden", "cell_type", "n_counts"]
    assert [name for name in named + others if names_batches(name)] == named


def test_a_table_has_the_tested_groups_only():
    from scpi._groups import plan_comparisons

    train, test = cells(6)
    labels = pd.Categorical(np.array(["a", "b", "c"])[np.arange(N) % 3])
    plan = plan_comparisons(labels, "group", ["c"], "a", 1)
    table = describe_groups(train, test, plan)
    assert table["group"].tolist() == ["c"]
    assert table["depth_ratio"].between(0.9, 1.1).all()
    assert table["homogeneous"].dtype == bool
