import anndata as ad
import mudata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scvi
import torch
from scipy import sparse, stats

import scpi
from scpi._ranking import read_ranking
from scpi.attribution import attribute_groups, contrast
from scpi.de import log_means, log_ratios, shrink_effects, shrink_fold_changes

KEY = "rank_genes_gradients"
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def simulated():
    return scpi.datasets.splat(600, n_genes=400, group_prob=(0.3, 0.3, 0.4), de_prob=0.1, de_fac_scale=0.6, rng=0)


@pytest.fixture
def adata(simulated):
    return simulated.copy()


@pytest.fixture(scope="module")
def trained(simulated):
    adata = simulated.copy()
    scpi.model.SCDeepCluster.setup_anndata(adata)
    model = scpi.model.SCDeepCluster(adata, n_clusters=3)
    model.train(max_epochs=15, max_cluster_epochs=2, **QUIET)
    return model


def accuracy(adata, ranking, k=30):
    truth = np.log(adata.varm["de_factor"][list(ranking.groups)].to_numpy().T)
    return float(np.mean(scpi.metrics.top_k_overlap(truth, ranking.scores, k=k)))


# --- the sparse decoder


def by_name(adata):
    return scpi.get.de_df(adata, key=KEY).set_index(["group", "gene"])


def test_scores_are_limits_of_shrunken_fold_changes(adata):
    scpi.tl.rank_genes_gradients(adata, "group")
    found = read_ranking(adata, KEY)
    shrunken = shrink_fold_changes(*log_ratios(adata.X, adata.obs["group"].cat.codes.to_numpy()))
    limit = np.maximum(np.abs(shrunken.effect) - 1.96 * shrunken.std_dev, 0) * np.sign(shrunken.effect)
    np.testing.assert_allclose(found.scores, limit / np.log(2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.extra["effect"], shrunken.effect / np.log(2), rtol=1e-6)
    np.testing.assert_allclose(found.extra["probability"], shrunken.probability, rtol=1e-6)
    np.testing.assert_allclose(found.extra["false_sign_rate"], shrunken.false_sign_rate, rtol=1e-6)
    assert (found.params["reference"], found.params["score"]) == ("rest", "limit")


def test_it_finds_what_was_planted_better_than_a_test(adata):
    scpi.tl.rank_genes_gradients(adata, "group", reference="median", score="mean")
    scpi.de.rank_genes(adata, "group", method="t-test", key_added="t")
    decoder, t_test = (accuracy(adata, read_ranking(adata, key)) for key in (KEY, "t"))
    assert decoder > 0.75
    assert decoder > t_test + 0.05
    found = read_ranking(adata, KEY)
    factor = adata.varm["de_factor"][list(found.groups)].to_numpy().T
    sure = (found.extra["probability"] > 0.99) & (factor != 1)
    assert (np.sign(found.scores[sure]) == np.sign(np.log(factor[sure]))).mean() > 0.97


def test_one_table_has_one_reference(adata):
    codes = adata.obs["group"].cat.codes.to_numpy()
    scpi.tl.rank_genes_gradients(adata, "group", reference="Group2", score="mean")
    found = read_ranking(adata, KEY)
    assert found.groups.tolist() == ["Group1", "Group3"]
    ratio, std_error = log_ratios(adata.X, codes, reference=1)
    effect = shrink_fold_changes(ratio[[0, 2]], std_error[[0, 2]]).effect
    np.testing.assert_allclose(found.scores, effect / np.log(2), atol=1e-5)
    scpi.de.rank_genes(adata, "group", reference="Group2", key_added="test")
    test = read_ranking(adata, "test")
    np.testing.assert_array_equal(found.log10_pvals, test.log10_pvals)
    np.testing.assert_array_equal(found.logfoldchanges, test.logfoldchanges)
    assert found.params["test_reference"] == "Group2"
    np.testing.assert_allclose(
        by_name(adata)["pts_rest"].xs("Group3").reindex(adata.var_names),
        np.asarray((adata.X[codes == 1] > 0).mean(axis=0)).ravel(),
    )
    # Fold changes before and after shrinkage
    abundant = np.asarray(adata.X.mean(axis=0)).ravel() > 20
    np.testing.assert_allclose(found.logfoldchanges[:, abundant], ratio[[0, 2]][:, abundant] / np.log(2), atol=0.02)


def test_over_the_level_there_are_no_pvalues(adata):
    scpi.tl.rank_genes_gradients(adata, "group", reference="median", score="mean")
    found = read_ranking(adata, KEY)
    estimate, std_error = log_means(adata.X, adata.obs["group"].cat.codes.to_numpy())
    shrunken = shrink_effects(estimate, std_error)
    np.testing.assert_allclose(found.scores, shrunken.effect / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(found.logfoldchanges, (estimate - shrunken.base) / np.log(2), rtol=1e-4, atol=1e-6)
    assert np.isnan(found.pvals).all() and np.isnan(found.pvals_adj).all()
    assert found.params["test"] == "none" and "test_reference" not in found.params
    with pytest.raises(ValueError, match="No test compares with the level"):
        scpi.tl.rank_genes_gradients(adata, "group", reference="median", test="wilcoxon")
    scpi.tl.rank_genes_gradients(adata, "group", reference="median", method="gradient")
    found = read_ranking(adata, KEY)
    assert np.isnan(found.pvals).all() and np.isnan(found.logfoldchanges).all() and np.isfinite(found.scores).all()


# --- genes that few cells have


@pytest.fixture
def with_few(adata):
    """Data with a gene that four cells of a group have, of many counts."""
    counts = adata.X.tolil()
    counts[:, 7] = 0
    counts[np.flatnonzero(adata.obs["group"] == "Group1")[:4], 7] = 40
    adata.X = counts.tocsr()
    return adata


def test_genes_that_few_cells_have_are_last(with_few):
    gene = with_few.var_names[7]
    for options in ({}, {"reference": "median"}, {"method": "gradient"}, {"rankby_abs": True}):
        scpi.tl.rank_genes_gradients(with_few, "group", test=None, **options)
        table = by_name(with_few)
        fraction = np.where(table.get("effect", table["score"]) >= 0, table["pts"], table["pts_rest"])
        few = fraction < 0.1
        ranks = table["rank"].to_numpy()
        for group in ("Group1", "Group2", "Group3"):
            of_group = table.index.get_level_values("group") == group
            assert of_group.sum() == with_few.n_vars
            if (few & of_group).any() and (~few & of_group).any():
                assert ranks[few & of_group].min() > ranks[~few & of_group].max()
        assert few[table.index.get_loc(("Group1", gene))]
    scpi.tl.rank_genes_gradients(with_few, "group", test=None, min_fraction=0, score="mean")
    assert by_name(with_few).loc[("Group1", gene), "rank"] <= 20


def test_the_order_is_kept_in_files_and_by_scanpy(with_few, tmp_path):
    scpi.tl.rank_genes_gradients(with_few, "group", min_fraction=0.5)
    names = with_few.uns[KEY]["names"]["Group1"].tolist()
    with_few.write_h5ad(tmp_path / "x.h5ad")
    again = ad.read_h5ad(tmp_path / "x.h5ad")
    assert scpi.get.de_df(again, key=KEY, group="Group1")["gene"].tolist() == names
    table = sc.get.rank_genes_groups_df(again, "Group1", key=KEY)
    assert table["names"].tolist() == names
    low = table["pct_nz_group"].where(table["scores"] > 0, table["pct_nz_reference"]) < 0.5
    assert low.any() and not low.iloc[:20].any()


def test_fractions_are_those_of_scanpy(adata):
    scpi.tl.rank_genes_gradients(adata, "group")
    logs = adata.copy()
    sc.pp.log1p(logs)
    sc.tl.rank_genes_groups(logs, "group", method="t-test", pts=True)
    for name in ("pts", "pts_rest"):
        wanted = logs.uns["rank_genes_groups"][name]
        found = adata.uns[KEY][name]
        np.testing.assert_allclose(found[wanted.columns].loc[wanted.index], wanted, rtol=1e-6)
    sc.tl.filter_rank_genes_groups(
        adata, key=KEY, min_in_group_fraction=0.6, max_out_group_fraction=1.0, min_fold_change=1.1
    )
    kept = pd.Series(adata.uns["rank_genes_groups_filtered"]["names"]["Group1"]).dropna()
    assert 0 < len(kept) < adata.n_vars
    assert (adata.uns[KEY]["pts"].loc[kept, "Group1"] > 0.6).all()


@pytest.mark.parametrize("file", ["h5ad", "zarr"])
def test_fractions_of_groups_with_a_slash_are_stored(adata, tmp_path, file):
    adata.obs["type"] = adata.obs["group"].cat.rename_categories({"Group1": "CD4/CD8"})
    scpi.tl.rank_genes_gradients(adata, "type")
    wanted = scpi.get.de_df(adata, key=KEY)
    path = tmp_path / f"data.{file}"
    getattr(adata, f"write_{file}")(path)
    again = scpi.get.de_df((ad.read_h5ad if file == "h5ad" else ad.read_zarr)(path), key=KEY)
    pd.testing.assert_frame_equal(again, wanted, check_dtype=False, check_categorical=False)
    assert again["pts"].between(0, 1).all()


# --- covariates


@pytest.fixture(scope="module")
def confounded():
    """Three groups and two batches, nine of ten cells of a batch in one or two of the groups."""
    found = scpi.datasets.splat(
        3000, n_genes=400, group_prob=(0.3, 0.3, 0.4), de_prob=0.1, de_fac_scale=0.5, batch_prob=(0.5, 0.5),
        batch_fac_scale=0.3, lib_loc=9.0, rng=3,
    )  # fmt: skip
    first = (found.obs["group"] == "Group3").to_numpy() == (found.obs["batch"] == "Batch1").to_numpy()
    kept = first | (np.random.default_rng(0).random(found.n_obs) < 1 / 9)
    return found[kept].copy()


def test_batches_are_taken_out(confounded):
    truth = confounded.varm["de_factor"].to_numpy().T
    size = confounded.obs["group"].value_counts()[confounded.varm["de_factor"].columns].to_numpy()
    truth = np.log(truth) - np.log(
        [np.average(np.delete(truth, k, 0), axis=0, weights=np.delete(size, k)) for k in range(3)]
    )
    found = {}
    for name, covariates in (("plain", ()), ("adjusted", "batch")):
        scpi.tl.rank_genes_gradients(confounded, "group", covariates=covariates, score="mean")
        found[name] = read_ranking(confounded, KEY)
    accuracies = {name: np.mean(scpi.metrics.top_k_overlap(truth, one.scores, k=30)) for name, one in found.items()}
    assert accuracies["adjusted"] > accuracies["plain"] + 0.1
    assert found["adjusted"].params["test"] == "poisson"
    assert found["adjusted"].params["covariates"].tolist() == ["batch"]
    # P-values and fold changes are adjusted too
    null = np.abs(truth) < 0.02
    assert (found["plain"].pvals[null] < 0.01).mean() > 0.3
    assert (found["adjusted"].pvals[null] < 0.01).mean() < 0.1
    error = {name: np.square(one.logfoldchanges - truth / np.log(2)).mean() for name, one in found.items()}
    assert error["adjusted"] < 0.5 * error["plain"]


def test_numbers_are_covariates_too(adata):
    adata.obs["age"] = np.random.default_rng(0).normal(size=adata.n_obs)
    scpi.tl.rank_genes_gradients(adata, "group", covariates=["age", "batch"])
    found = read_ranking(adata, KEY)
    assert found.params["test"] == "logistic"
    scpi.tl.rank_genes_gradients(adata, "group")
    # It has nothing to do with the counts
    np.testing.assert_allclose(found.extra["effect"], read_ranking(adata, KEY).extra["effect"], atol=0.1)


def test_tests_are_those_of_rank_genes(adata):
    scpi.tl.rank_genes_gradients(adata, "group")
    scpi.de.rank_genes(adata, "group", key_added="test")
    found, test = read_ranking(adata, KEY), read_ranking(adata, "test")
    np.testing.assert_array_equal(found.log10_pvals, test.log10_pvals)
    np.testing.assert_array_equal(found.pvals_adj, test.pvals_adj)
    np.testing.assert_array_equal(found.logfoldchanges, test.logfoldchanges)
    scpi.tl.rank_genes_gradients(adata, "group", test=None)
    without = read_ranking(adata, KEY)
    assert np.isnan(without.pvals).all()
    np.testing.assert_array_equal(without.logfoldchanges, test.logfoldchanges)


def test_one_part_of_the_counts_orders_and_the_other_is_tested(adata):
    scpi.de.thin_counts(adata, rng=0)
    scpi.tl.rank_genes_gradients(adata, "group", layer="thinned_train")
    found = read_ranking(adata, KEY)
    alone = ad.AnnData(adata.layers["thinned_train"], obs=adata.obs[["group"]], var=adata.var[[]])
    scpi.tl.rank_genes_gradients(alone, "group")
    np.testing.assert_array_equal(found.scores, read_ranking(alone, KEY).scores)
    scpi.de.rank_genes(adata, "group", layer="thinned_test", key_added="test")
    np.testing.assert_array_equal(found.log10_pvals, read_ranking(adata, "test").log10_pvals)
    assert found.params["test_layer"] == "thinned_test"


def test_pvalues_of_clusters_of_one_population_hold():
    rng = np.random.default_rng(0)
    counts = rng.poisson(np.exp(rng.normal(0.5, 1.0, 150)), size=(500, 150))
    adata = ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    scpi.de.thin_counts(adata, overdispersion=0, rng=0)
    pvals = {}
    for layer in ("thinned_train", None):
        part = sc.pp.pca(np.log1p(counts if layer is None else adata.layers[layer].toarray()), n_comps=5)
        adata.obs["leiden"] = pd.Categorical(np.where(part[:, 0] > np.median(part[:, 0]), "a", "b"))
        if layer is None:
            with pytest.warns(UserWarning, match="looks like clusters"):
                scpi.tl.rank_genes_gradients(adata, "leiden", layer=layer)
        else:
            scpi.tl.rank_genes_gradients(adata, "leiden", layer=layer)
        pvals[layer] = read_ranking(adata, KEY).pvals[0]
    assert stats.kstest(pvals["thinned_train"], "uniform").pvalue > 0.01
    assert stats.kstest(pvals[None], "uniform").pvalue < 1e-6


def test_attributions_of_cells_are_counts_times_effects(adata):
    scpi.tl.rank_genes_gradients(adata, "group", layer_added="evidence")
    effect = read_ranking(adata, KEY).extra["effect"] * np.log(2)
    layer = adata.layers["evidence"]
    assert sparse.issparse(layer)
    wanted = adata.X.toarray() * effect[adata.obs["group"].cat.codes.to_numpy()]
    np.testing.assert_allclose(layer.toarray(), wanted, rtol=1e-5)
    # What speaks for the own group of a cell is more than what speaks for another
    other = adata.X.toarray() * effect[(adata.obs["group"].cat.codes.to_numpy() + 1) % 3]
    assert (np.asarray(layer.sum(axis=1)).ravel() > other.sum(axis=1)).mean() > 0.9


# --- encoders


def test_scores_of_a_network_are_attributions_of_its_margins(adata, trained):
    with pytest.warns(UserWarning, match="found the groups in the counts that are tested"):
        scpi.tl.rank_genes_gradients(adata, model=trained, method="gradient", reference="rest", spread=True)
    found = read_ranking(adata, KEY)
    labels = trained.predict(adata)
    codes = pd.Index(trained.clusters_).get_indexer(labels)
    wanted = attribute_groups(contrast(trained.attribution_target("logit")), adata.X, codes)
    rows = [trained.clusters_.index(group) for group in found.groups]
    np.testing.assert_allclose(found.scores, wanted.mean[rows], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.extra["std"], wanted.std[rows], rtol=1e-4, atol=1e-6)
    assert found.params["model"] == "SCDeepCluster"
    assert found.params["groupby"] == KEY
    assert (adata.obs[KEY].astype(str) == labels).all()
    chance = 30 / adata.n_vars
    matched = scpi.metrics.match_labels(labels, adata.obs["group"]).mapping
    truth = np.log(adata.varm["de_factor"][[matched[g] for g in found.groups]].to_numpy().T)
    assert np.mean(scpi.metrics.top_k_overlap(truth, found.scores, k=30)) > 3 * chance


def test_decoder_of_predicted_clusters(adata, trained):
    with pytest.warns(UserWarning, match="p-values are too small"):
        scpi.tl.rank_genes_gradients(adata, model=trained)
    labels = trained.predict(adata)
    adata.obs["own"] = labels
    scpi.tl.rank_genes_gradients(adata, "own", key_added="own")
    np.testing.assert_array_equal(read_ranking(adata, KEY).scores, read_ranking(adata, "own").scores)


def test_cells_of_a_network(adata, trained):
    scpi.tl.rank_genes_gradients(
        adata, "group", model=trained, method="input_x_gradient", test=None, layer_added="attribution"
    )
    found = read_ranking(adata, KEY)
    for k, group in enumerate(found.groups):
        mean = adata.layers["attribution"][(adata.obs["group"] == group).to_numpy()].mean(axis=0)
        np.testing.assert_allclose(mean, found.scores[k], rtol=1e-3, atol=1e-5)


def test_a_classifier_is_trained_without_a_model(adata):
    scpi.tl.rank_genes_gradients(adata, "group", method="gradient", rng=1)
    first = read_ranking(adata, KEY)
    assert accuracy(adata, first) > 0.45
    scpi.tl.rank_genes_gradients(adata, "group", method="gradient", rng=2)
    assert (read_ranking(adata, KEY).scores != first.scores).any()


@pytest.mark.parametrize("name", ["SCVI", pytest.param("LinearSCVI", marks=pytest.mark.slow), "SCANVI"])
def test_models_of_scvi_tools(adata, name):
    model_cls = getattr(scvi.model, name)
    kwargs = {"labels_key": "group", "unlabeled_category": "unknown"} if name == "SCANVI" else {}
    model_cls.setup_anndata(adata, **kwargs)
    scvi.settings.seed = 0
    model = model_cls(adata, n_latent=5)
    model.train(max_epochs=5, logger=False, **QUIET)
    groupby = None if name == "SCANVI" else "group"
    scpi.tl.rank_genes_gradients(adata, groupby, model=model, method="gradient", test=None, reference="rest")
    found = read_ranking(adata, KEY)

    # By hand, from what the model itself gives: slopes of the log-odds in log1p counts
    x = torch.log1p(torch.from_numpy(adata.X.toarray())).requires_grad_(True)
    module = model.module.eval()
    z = module.z_encoder(x)[0].loc
    if name == "SCANVI":
        labels = np.asarray(model.predict())
        logits = torch.log(torch.from_numpy(model.predict(soft=True).to_numpy()))
        torch.testing.assert_close(module.classifier(z).log_softmax(1), logits.float(), rtol=1e-3, atol=1e-3)
        scores, names = module.classifier(z), list(model.predict(soft=True).columns)
    else:
        labels = adata.obs["group"].to_numpy().astype(str)
        latent = torch.from_numpy(model.get_latent_representation())
        torch.testing.assert_close(z.detach(), latent, rtol=1e-3, atol=1e-4)
        names = sorted(set(labels))
        means = torch.stack([latent[labels == group].mean(0) for group in names])
        variance = (latent - means[[names.index(label) for label in labels]]).square().mean()
        scores = -(z[:, None] - means).square().sum(-1) / (2 * variance)
    for group in found.groups:
        k = names.index(group)
        others = scores[:, [j for j in range(len(names)) if j != k]]
        margin = scores[:, k] - others.logsumexp(1)
        slopes = torch.autograd.grad(margin[labels == group].sum(), x, retain_graph=True)[0][labels == group].mean(0)
        np.testing.assert_allclose(
            found.scores[list(found.groups).index(group)], slopes.numpy(), rtol=1e-2, atol=1e-4 * slopes.abs().max()
        )


# --- groups, layers and objects


def test_groups_are_found_by_custom(adata):
    adata.obs["n_counts"] = 1.0
    adata.obs["cell_type"] = adata.obs["group"]
    scpi.tl.rank_genes_gradients(adata)
    assert adata.uns[KEY]["params"]["groupby"] == "cell_type"


def test_the_only_column_of_groups_is_taken(adata):
    adata.obs = adata.obs[["group"]].rename(columns={"group": "state"})
    adata.obs["barcode"] = adata.obs_names
    scpi.tl.rank_genes_gradients(adata)
    assert adata.uns[KEY]["params"]["groupby"] == "state"


def test_counts_are_found(adata):
    scpi.tl.rank_genes_gradients(adata, "group")
    first = read_ranking(adata, KEY)
    adata.layers["counts"] = adata.X.copy()
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    scpi.tl.rank_genes_gradients(adata, "group")
    np.testing.assert_array_equal(read_ranking(adata, KEY).scores, first.scores)


@pytest.mark.parametrize("matrix", [sparse.csc_matrix, lambda x: x.toarray()])
def test_kind_of_matrix_does_not_matter(adata, matrix):
    scpi.tl.rank_genes_gradients(adata, "group", test=None)
    first = read_ranking(adata, KEY)
    adata.X = matrix(adata.X)
    scpi.tl.rank_genes_gradients(adata, "group", test=None)
    np.testing.assert_allclose(read_ranking(adata, KEY).scores, first.scores, rtol=1e-4, atol=1e-6)


def test_cells_without_a_label_and_small_groups_are_left_out(adata):
    labels = adata.obs["group"].astype(object)
    labels.iloc[:40], labels.iloc[40] = np.nan, "single"
    adata.obs["label"] = labels
    with pytest.warns(UserWarning, match="fewer than 2 cells: 'single'"):
        scpi.tl.rank_genes_gradients(adata, "label", test=None)
    found = read_ranking(adata, KEY)
    kept = adata[41:].copy()
    scpi.tl.rank_genes_gradients(kept, "group", test=None)
    # The median depth is that of all cells
    np.testing.assert_allclose(found.scores, read_ranking(kept, KEY).scores, atol=0.05)
    assert list(found.groups) == ["Group1", "Group2", "Group3"]


def test_genes_and_cells_without_counts(adata):
    adata.X[:, :5] = 0
    adata.X[:3] = 0
    adata.X.eliminate_zeros()
    for method in ("sparse_decoder", "gradient"):
        scpi.tl.rank_genes_gradients(adata, "group", method=method)
        found = read_ranking(adata, KEY)
        assert np.isfinite(found.scores).all()
        assert np.abs(found.scores[:, :5]).max() < 0.05


@pytest.mark.parametrize("file", ["h5ad", "zarr"])
def test_files(adata, tmp_path, file):
    scpi.tl.rank_genes_gradients(adata, "group", layer_added="evidence")
    path = tmp_path / f"data.{file}"
    getattr(adata, f"write_{file}")(path)
    again = (ad.read_h5ad if file == "h5ad" else ad.read_zarr)(path)
    np.testing.assert_array_equal(read_ranking(again, KEY).scores, read_ranking(adata, KEY).scores)
    assert again.uns[KEY]["params"]["method"] == "sparse_decoder"
    table = sc.get.rank_genes_groups_df(again, "Group1", key=KEY)
    assert table["names"].iloc[0] == adata.uns[KEY]["names"]["Group1"][0]


def test_copy_and_mudata(adata):
    result = scpi.tl.rank_genes_gradients(adata, "group", copy=True)
    assert KEY not in adata.uns
    mdata = mudata.MuData({"rna": adata.copy()})
    scpi.tl.rank_genes_gradients(mdata, "group", mod="rna")
    np.testing.assert_array_equal(read_ranking(mdata.mod["rna"], KEY).scores, read_ranking(result, KEY).scores)


# --- bad input


def one_group(adata):
    adata.obs["group"] = "a"


def singles(adata):
    adata.obs["group"] = [f"g{i}" for i in range(adata.n_obs)]


def logged(adata):
    sc.pp.log1p(adata)


def repeated(adata):
    adata.var_names = ["gene"] * adata.n_vars


def nothing(adata):
    pass


@pytest.mark.parametrize(
    ("prepare", "options", "error", "message"),
    [
        (one_group, {}, ValueError, "at least two groups of 2 cells"),
        (singles, {}, ValueError, "at least two groups of 2 cells"),
        (logged, {}, ValueError, "log-normalised data"),
        (repeated, {}, ValueError, "var_names_make_unique"),
        (nothing, {"groupby": "nowhere"}, KeyError, "no column 'nowhere'"),
        (nothing, {"groupby": None}, ValueError, "it could be 'batch'|Name the column"),
        (nothing, {"layer": "nowhere"}, KeyError, "no 'nowhere'"),
        (nothing, {"method": "gradients"}, ValueError, "`method` must be one of 'sparse_decoder'"),
        (nothing, {"n_steps": 5}, TypeError, "has no option 'n_steps'"),
        (nothing, {"method": "gradient", "n_steps": 5}, TypeError, "n_steps"),
        (nothing, {"reference": "Group9"}, ValueError, "`reference` must be 'median', 'rest' or a group"),
        (nothing, {"score": "median"}, ValueError, "`score` must be one of 'limit', 'mean'"),
        (nothing, {"min_fraction": 10}, ValueError, "fraction of cells, from 0 to 1, but is 10"),
        (nothing, {"batch_key": "batch"}, TypeError, "columns of `obs` to adjust for as `covariates=`"),
        (nothing, {"method": "gradient", "covariates": "batch"}, ValueError, "trained with them, such as scvi-tools"),
        (nothing, {"covariates": "nowhere"}, KeyError, "`covariates` names 'nowhere'"),
        (nothing, {"covariates": "group"}, ValueError, "'group' are the same in all cells of each group"),
        (nothing, {"groups": ["Group9"]}, ValueError, "no label"),
        (nothing, {"groups": ["Group1"], "reference": "Group1"}, ValueError, "tested against itself"),
        (nothing, {"test": "nothing"}, ValueError, "nothing"),
    ],
)
def test_bad_input_leaves_nothing_behind(adata, prepare, options, error, message):
    prepare(adata)
    if options.get("groupby", "group") is None:
        adata.obs["batch"], adata.obs["donor"] = adata.obs["group"], adata.obs["group"]
        adata.obs = adata.obs.drop(columns="group")
    with pytest.raises(error, match=message):
        scpi.tl.rank_genes_gradients(adata, **{"groupby": "group", **options})
    assert KEY not in adata.uns


def test_models_that_do_not_fit(adata, trained):
    turned = adata[:, ::-1].copy()
    with pytest.raises(ValueError, match="not those of the model, in its order"):
        scpi.tl.rank_genes_gradients(turned, model=trained)
    with pytest.raises(ValueError, match="reads the layer None"):
        scpi.tl.rank_genes_gradients(adata, model=trained, layer="counts")
    scpi.model.SCDeepCluster.setup_anndata(adata)
    with pytest.raises(Exception, match="train"):
        scpi.tl.rank_genes_gradients(adata, model=scpi.model.SCDeepCluster(adata, n_clusters=3))


def test_a_model_of_scvi_tools_is_not_read_with_other_genes(adata):
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata)
    model.is_trained_ = True
    with pytest.raises(ValueError, match="their order or number differs"):
        scpi.tl.rank_genes_gradients(adata[:, ::-1].copy(), "group", model=model, method="gradient")


def test_models_without_an_encoder_of_genes(adata):
    scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
    model = scvi.model.SCVI(adata, encode_covariates=True)
    model.is_trained_ = True
    with pytest.raises(NotImplementedError, match="encode_covariates"):
        scpi.tl.rank_genes_gradients(adata, "group", model=model, method="gradient")
