from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from mudata import MuData
from scipy import sparse, stats

import scpi


def counts_of(n_cells=300, n_genes=40, seed=0):
    """Counts of three groups: gene 0 is up in "b", gene 1 down in it, gene 2 absent from "a"."""
    rng = np.random.default_rng(seed)
    groups = np.array(["a", "b", "c"])[rng.choice(3, n_cells, p=[0.5, 0.3, 0.2])]
    rate = rng.gamma(2.0, 1.0, n_genes)[None, :] * rng.lognormal(0.0, 0.3, n_cells)[:, None]
    rate[groups == "b", 0] *= 4.0
    rate[groups == "b", 1] /= 4.0
    rate[groups == "a", 2] = 0.0
    obs = pd.DataFrame({"group": pd.Categorical(groups)}, index=[f"cell{i}" for i in range(n_cells)])
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)])
    return ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs, var=var)


@pytest.fixture
def counts():
    return counts_of()


@pytest.fixture
def logged(counts):
    sc.pp.normalize_total(counts)
    sc.pp.log1p(counts)
    return counts


def by_gene(adata, group, key="rank_genes_groups"):
    return sc.get.rank_genes_groups_df(adata, group, key=key).set_index("names")


@pytest.mark.parametrize("reference", ["rest", "a"])
@pytest.mark.parametrize("method", ["t-test", "t-test_overestim_var", "wilcoxon"])
@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_matrix, lambda x: x.toarray()])
def test_scores_and_p_are_those_of_scanpy(logged, method, reference, convert):
    logged.X = convert(logged.X)
    options = {"tie_correct": True} if method == "wilcoxon" else {}
    sc.tl.rank_genes_groups(logged, "group", method=method, reference=reference, key_added="scanpy", **options)
    options = {"continuity": False} if method == "wilcoxon" else {}
    scpi.de.rank_genes(logged, "group", method=method, reference=reference, key_added="scpi", **options)
    assert logged.uns["scpi"]["names"].dtype == logged.uns["scanpy"]["names"].dtype
    for group in logged.uns["scanpy"]["names"].dtype.names:
        theirs, ours = by_gene(logged, group, "scanpy"), by_gene(logged, group, "scpi")
        ours = ours.loc[theirs.index]
        np.testing.assert_allclose(ours["scores"], theirs["scores"], rtol=1e-6)
        np.testing.assert_allclose(ours["pvals"], theirs["pvals"], rtol=1e-5)
        np.testing.assert_allclose(ours["pvals_adj"], theirs["pvals_adj"], rtol=1e-5)


def test_the_structure_is_that_of_scanpy(logged):
    sc.tl.rank_genes_groups(logged, "group", method="t-test", key_added="scanpy", pts=True)
    scpi.de.rank_genes(logged, "group", method="t-test", key_added="scpi", pts=True)
    theirs, ours = logged.uns["scanpy"], logged.uns["scpi"]
    for name in ("names", "scores", "logfoldchanges", "pvals", "pvals_adj"):
        assert isinstance(ours[name], np.recarray)
        assert ours[name].dtype == theirs[name].dtype, name
    for name in ("pts", "pts_rest"):
        pd.testing.assert_frame_equal(ours[name], theirs[name], check_exact=False, rtol=1e-6)
    sc.tl.filter_rank_genes_groups(logged, key="scpi", key_added="filtered")


@pytest.mark.parametrize("reference", ["rest", "a"])
def test_fold_changes_are_ratios_of_mean_counts(counts, reference):
    scpi.de.rank_genes(counts, "group", reference=reference, pseudocount=0.25)
    x = counts.X.toarray().astype(float)
    normalised = x / x.sum(axis=1, keepdims=True) * np.median(x.sum(axis=1))
    group, other = (counts.obs["group"] == "b").to_numpy(), (counts.obs["group"] == "a").to_numpy()
    if reference == "rest":
        other = ~group
    expected = np.log2((normalised[group].mean(axis=0) + 0.25) / (normalised[other].mean(axis=0) + 0.25))
    found = by_gene(counts, "b").loc[counts.var_names, "logfoldchanges"]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_counts_are_normalised_for_a_test_of_expression(counts):
    logged = counts.copy()
    sc.pp.normalize_total(logged)
    sc.pp.log1p(logged)
    scpi.de.rank_genes(counts, "group", method="t-test")
    scpi.de.rank_genes(logged, "group", method="t-test")
    assert counts.uns["rank_genes_groups"]["params"]["transform"] == "log1p_norm"
    assert logged.uns["rank_genes_groups"]["params"]["transform"] == "none"
    for name in ("scores", "logfoldchanges"):
        for group in ("a", "b", "c"):
            np.testing.assert_allclose(
                by_gene(counts, group)[name].sort_index(), by_gene(logged, group)[name].sort_index(), rtol=1e-4
            )
    scpi.de.rank_genes(counts, "group", method="t-test", transform="none")
    raw = by_gene(counts, "b").loc["gene3", "scores"]
    x, group = counts.X.toarray().astype(float), counts.obs["group"] == "b"
    assert raw == pytest.approx(stats.ttest_ind(x[group, 3], x[~group, 3], equal_var=False).statistic, rel=1e-5)


def test_the_base_of_the_logarithm_is_taken_from_the_data(counts):
    natural, binary = counts.copy(), counts.copy()
    for adata, base in ((natural, None), (binary, 2)):
        sc.pp.normalize_total(adata)
        sc.pp.log1p(adata, base=base)
        scpi.de.rank_genes(adata, "group")
    np.testing.assert_allclose(
        by_gene(binary, "b")["logfoldchanges"].sort_index(),
        by_gene(natural, "b")["logfoldchanges"].sort_index(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_genes_are_ranked_by_score_or_by_its_absolute_value(counts):
    scpi.de.rank_genes(counts, "group", groups=["b"], reference="a")
    signed = by_gene(counts, "b")
    assert signed["scores"].is_monotonic_decreasing
    assert signed.index[-1] == "gene1"
    scpi.de.rank_genes(counts, "group", groups=["b"], reference="a", rankby_abs=True)
    absolute = by_gene(counts, "b")
    assert absolute["scores"].abs().is_monotonic_decreasing
    assert set(absolute.index[:3]) == {"gene0", "gene1", "gene2"}


def test_p_is_finite_on_the_log_scale():
    adata = counts_of(n_cells=6000, n_genes=3)
    scpi.de.rank_genes(adata, "group", groups=["b"], reference="a")
    stored = adata.uns["rank_genes_groups"]
    assert stored["pvals"]["b"][0] == 0
    assert -10_000 < stored["log10_pvals"]["b"][0] < -308
    assert stored["log10_pvals"]["b"][0] == pytest.approx(
        (np.log(2) + stats.norm.logsf(float(stored["scores"]["b"][0]))) / np.log(10), rel=1e-6
    )


def test_the_false_discovery_rate_is_that_of_a_group_or_of_all(counts):
    scpi.de.rank_genes(counts, "group", corr_scope="group")
    stored = counts.uns["rank_genes_groups"]
    for group in ("a", "b", "c"):
        np.testing.assert_allclose(
            stored["pvals_adj"][group], stats.false_discovery_control(stored["pvals"][group]), rtol=1e-12
        )
    scpi.de.rank_genes(counts, "group", corr_scope="all")
    stored = counts.uns["rank_genes_groups"]
    together = stats.false_discovery_control(np.concatenate([stored["pvals"][group] for group in ("a", "b", "c")]))
    np.testing.assert_allclose(np.concatenate([stored["pvals_adj"][g] for g in ("a", "b", "c")]), together, rtol=1e-12)
    scpi.de.rank_genes(counts, "group", corr_scope="all", corr_method="bonferroni")
    stored = counts.uns["rank_genes_groups"]
    np.testing.assert_allclose(stored["pvals_adj"]["b"], np.minimum(stored["pvals"]["b"] * 120, 1), rtol=1e-12)


def test_groups_that_are_not_tested_are_still_the_rest(counts):
    scpi.de.rank_genes(counts, "group")
    all_groups = by_gene(counts, "b")
    scpi.de.rank_genes(counts, "group", groups=["b"])
    assert counts.uns["rank_genes_groups"]["names"].dtype.names == ("b",)
    np.testing.assert_array_equal(by_gene(counts, "b")["scores"], all_groups["scores"])


def test_cells_without_a_label_are_left_out(counts):
    counts.obs["some"] = counts.obs["group"].where(counts.obs["group"] != "c")
    scpi.de.rank_genes(counts, "some", reference="rest")
    kept = counts[counts.obs["group"] != "c"].copy()
    scpi.de.rank_genes(counts, "some", key_added="with")
    scpi.de.rank_genes(kept, "group", key_added="without", transform="auto")
    np.testing.assert_allclose(
        by_gene(counts, "b", "with")["scores"].sort_index(),
        by_gene(kept, "b", "without")["scores"].sort_index(),
        atol=0.05,  # the median depth differs
    )


@pytest.mark.parametrize("method", ["wilcoxon", "t-test"])
def test_p_is_uniform_on_permuted_labels(method):
    adata = counts_of(n_cells=800, n_genes=1500, seed=3)
    adata.obs["random"] = np.random.default_rng(0).permutation(np.repeat(["x", "y"], 400))
    scpi.de.rank_genes(adata, "random", groups=["x"], reference="y", method=method)
    assert stats.kstest(adata.uns["rank_genes_groups"]["pvals"]["x"], "uniform").pvalue > 0.01


@pytest.mark.parametrize("file", ["h5ad", "zarr"])
def test_results_survive_a_file(counts, tmp_path, file):
    scpi.de.rank_genes(counts, "group", pts=True, corr_scope="all", continuity=False)
    path = tmp_path / f"result.{file}"
    getattr(counts, f"write_{file}")(path)
    read = getattr(ad, f"read_{file}")(path)
    pd.testing.assert_frame_equal(
        sc.get.rank_genes_groups_df(read, None), sc.get.rank_genes_groups_df(counts, None), check_dtype=False
    )
    np.testing.assert_array_equal(
        read.uns["rank_genes_groups"]["log10_pvals"]["b"], counts.uns["rank_genes_groups"]["log10_pvals"]["b"]
    )
    assert read.uns["rank_genes_groups"]["params"]["corr_scope"] == "all"


def test_a_copy_leaves_the_original_alone(counts):
    before = counts.X.copy()
    result = scpi.de.rank_genes(counts, "group", copy=True)
    assert "rank_genes_groups" in result.uns
    assert "rank_genes_groups" not in counts.uns
    assert (before != counts.X).nnz == 0


def test_a_modality_of_a_mudata_is_ranked(counts):
    mdata = MuData({"rna": counts, "other": counts[:, :3].copy()})
    scpi.de.rank_genes(mdata, "group", mod="rna")
    assert "rank_genes_groups" in mdata["rna"].uns


def test_results_do_not_depend_on_the_threads(counts):
    one = scpi.de.rank_genes(counts, "group", n_jobs=1, copy=True)
    two = scpi.de.rank_genes(counts, "group", n_jobs=2, copy=True)
    pd.testing.assert_frame_equal(sc.get.rank_genes_groups_df(one, None), sc.get.rank_genes_groups_df(two, None))


def test_a_view_a_layer_and_integers_give_the_same(counts):
    counts.layers["counts"] = counts.X.astype(np.int64)
    scpi.de.rank_genes(counts, "group")
    expected = by_gene(counts, "b")
    scpi.de.rank_genes(counts, "group", layer="counts", key_added="integers")
    np.testing.assert_allclose(by_gene(counts, "b", "integers")["scores"], expected["scores"], rtol=1e-6)
    view = counts[counts.obs["group"] != "c"]
    part = view.copy()
    scpi.de.rank_genes(part, "group", reference="a")
    result = scpi.de.rank_genes(view, "group", reference="a", copy=True)
    np.testing.assert_array_equal(by_gene(result, "b")["scores"], by_gene(part, "b")["scores"])


def test_ten_thousand_groups_are_stored_as_matrices(tmp_path):
    rng = np.random.default_rng(0)
    n_groups = 10_000
    obs = pd.DataFrame({"group": np.repeat([f"g{i}" for i in range(n_groups)], 2)})
    obs.index = obs.index.astype(str)
    adata = ad.AnnData(rng.poisson(2.0, (2 * n_groups, 3)).astype(np.float32), obs=obs)
    adata.obs.loc[adata.obs.index[:400], "group"] = "control"
    scpi.de.rank_genes(adata, "group", reference="control", method="t-test", key_added="many")
    stored = adata.uns["many"]
    assert stored["scores"].shape == (n_groups - 200, 3)
    adata.write_h5ad(tmp_path / "many.h5ad")
    read = ad.read_h5ad(tmp_path / "many.h5ad")
    np.testing.assert_array_equal(read.uns["many"]["pvals"], stored["pvals"])


# --- clusters


def test_clusters_of_the_same_counts_are_warned_of(counts):
    counts.obs["leiden"] = counts.obs["group"].cat.rename_categories(["0", "1", "2"])
    with pytest.warns(UserWarning, match="thin_counts"):
        scpi.de.rank_genes(counts, "leiden")
    counts.obs["clusters"] = counts.obs["leiden"]
    for params in ({"resolution": 1.0}, {"clustering": "SCZIDesk"}):
        counts.uns["clusters"] = {"params": params}
        with pytest.warns(UserWarning, match="looks like clusters"):
            scpi.de.rank_genes(counts, "clusters")


# --- bad input


@pytest.mark.parametrize("method", ["t-test", "wilcoxon"])
def test_a_small_group_is_left_out_or_refused(counts, method):
    counts.obs["group"] = counts.obs["group"].cat.add_categories("tiny")
    counts.obs.loc["cell0", "group"] = "tiny"
    with pytest.warns(UserWarning, match="fewer than 2 cells: 'tiny'"):
        scpi.de.rank_genes(counts, "group", method=method)
    assert "tiny" not in counts.uns["rank_genes_groups"]["names"].dtype.names
    with pytest.raises(ValueError, match=r"'tiny' \(1\)"):
        scpi.de.rank_genes(counts, "group", method=method, groups=["tiny"])
    with pytest.raises(ValueError, match="reference 'tiny' has 1 cell"):
        scpi.de.rank_genes(counts, "group", method=method, reference="tiny")


def test_one_group_is_nothing_to_compare(counts):
    counts.obs["one"] = "x"
    with pytest.raises(ValueError, match="nothing to compare"):
        scpi.de.rank_genes(counts, "one")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "nonsense"}, ValueError, "'wilcoxon'"),
        ({"reference": "d"}, ValueError, "`reference` must be 'rest' or a group"),
        ({"groups": ["d"]}, ValueError, "'d' that is no label"),
        ({"groups": []}, ValueError, "`groups` is empty"),
        ({"groups": ["a"], "reference": "a"}, ValueError, "tested against itself"),
        ({"layer": "counts"}, KeyError, "no 'counts'"),
        ({"corr_method": "none"}, ValueError, "`corr_method` must be one of"),
        ({"corr_scope": "genes"}, ValueError, "`corr_scope` must be one of"),
        ({"transform": "log"}, ValueError, "`transform` must be one of"),
        ({"pseudocount": -1.0}, ValueError, "must not be negative"),
        ({"tie_correct": True}, TypeError, "has no option 'tie_correct', only 'continuity'"),
        (
            {"references": "a"},
            TypeError,
            r"has no option 'references', only 'continuity'\. Did you mean 'reference'\?$",
        ),
        ({"continuty": False}, TypeError, r"Did you mean 'continuity'\?$"),
        ({"nonsense": 1}, TypeError, "has no option 'nonsense', only 'continuity'.$"),
        ({"use_raw": True}, TypeError, "no option 'use_raw'.*give `adata.raw.to_adata"),
        ({"n_genes": 5}, TypeError, "no option 'n_genes'.*top_n="),
        ({"mask_var": "highly_variable"}, TypeError, "no option 'mask_var'.*Give `adata.:, mask"),
        ({"sample_key": "group"}, ValueError, "no use for `sample_key`"),
        ({"covariates": ["group"]}, ValueError, "does not adjust for covariates"),
        ({"method": "deseq2"}, ValueError, "name the column with the sample"),
        ({"contrasts": "b - a"}, ValueError, "compares cells and has no use for `contrasts`"),
        ({"formula": "~ group"}, ValueError, "no use for `formula`"),
        ({"split_by": "group"}, ValueError, "no use for `split_by`"),
        ({"reference": ["a", "b"]}, ValueError, "compares with one reference, but there are 2"),
        ({"groupby": None}, ValueError, "Name the column of the groups that 'wilcoxon' compares"),
    ],
)
def test_bad_arguments_are_named(counts, arguments, error, message):
    with pytest.raises(error, match=message):
        scpi.de.rank_genes(counts, **({"groupby": "group"} | arguments))
    assert "rank_genes_groups" not in counts.uns


def test_values_that_are_missing_are_refused(counts):
    counts.X.data[3] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        scpi.de.rank_genes(counts, "group")


def test_scaled_data_have_no_fold_change(logged):
    sc.pp.scale(logged)
    with pytest.warns(UserWarning, match="fold changes are left out"):
        scpi.de.rank_genes(logged, "group", method="t-test")
    assert np.isnan(logged.uns["rank_genes_groups"]["logfoldchanges"]["b"]).all()


def test_logarithms_are_no_counts(logged):
    logged.obs["sample"] = np.arange(logged.n_obs) % 4
    with pytest.raises(ValueError, match="log-normalised"):
        scpi.de.rank_genes(logged, "group", method="deseq2", sample_key="sample")


def test_names_of_genes_are_unique(counts):
    counts.var_names = ["gene0", *counts.var_names[:-1]]
    with pytest.raises(ValueError, match="var_names_make_unique"):
        scpi.de.rank_genes(counts, "group")


def test_an_empty_matrix_asks_for_a_layer(counts):
    counts.layers["counts"] = counts.X
    counts.X = None
    with pytest.raises(ValueError, match="name the layer"):
        scpi.de.rank_genes(counts, "group")
    scpi.de.rank_genes(counts, "group", layer="counts")


def test_the_test_part_of_thinned_counts_is_taken_without_a_warning(counts, recwarn):
    scpi.de.thin_counts(counts, overdispersion=0, rng=0)
    counts.obs["leiden"] = counts.obs["group"]
    scpi.de.rank_genes(counts, "leiden", layer="thinned_test")
    assert [str(warning.message) for warning in recwarn if "clusters" in str(warning.message)] == []
    with pytest.warns(UserWarning, match="looks like clusters"):
        scpi.de.rank_genes(counts, "leiden", layer="thinned_train")


def test_genes_that_only_raw_has_are_not_ranked_without_a_word(logged):
    logged.raw = logged
    some = logged[:, :20].copy()
    with pytest.warns(UserWarning, match=r"20 genes are ranked, but `adata.raw` has \d+: to rank those, give"):
        scpi.de.rank_genes(some, "group")
    scpi.de.rank_genes(some.raw.to_adata(), "group")
