from __future__ import annotations

import math

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


def with_impact(z, pval=None, *, non_negative=False):
    z = np.asarray(z, dtype=float)
    n_units, n_sets = z.shape
    adata = ad.AnnData(np.ones((2, 6), dtype=np.float32))
    adata.var_names = [f"g{i}" for i in range(6)]
    adata.varm["gene_sets"] = pd.DataFrame(
        {f"s{j}": np.arange(6) // 2 == j for j in range(n_sets)}, index=adata.var_names
    )
    adata.varm["saliency"] = pd.DataFrame(
        np.arange(6.0)[:, None] - np.full(n_units, 2.5),
        index=adata.var_names,
        columns=[f"u{i}" for i in range(n_units)],
    )
    adata.uns["gene_set_impact"] = {
        "params": {"key": "saliency", "gene_sets_key": "gene_sets", "non_negative": non_negative},
        "units": np.array([f"u{i}" for i in range(n_units)], dtype=object),
        "sets": np.array([f"s{j}" for j in range(n_sets)], dtype=object),
        "zscore": z,
        "specificity": -z,
        "pval": np.full(z.shape, 0.01) if pval is None else np.asarray(pval),
    }
    return adata


def annotated(adata, **kwargs):
    """Names by the impact alone."""
    scpi.tl.annotate_units(adata, n_leading=None, **kwargs)
    return scpi.get.unit_annotation(adata)


def test_no_two_units_get_the_same_set():
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]])
    frame = annotated(adata, how="one_to_one")
    # 8 + 7 + 5 is more than 9 + 1 + 5 and 9 + 2 + 0
    assert frame["set"].tolist() == ["s1", "s0", "s2"]
    assert frame["zscore"].tolist() == [8, 7, 5]
    assert frame["margin"].tolist() == [-1, 5, -1]


def test_the_best_set_of_each_unit():
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]])
    frame = annotated(adata)
    assert frame["set"].tolist() == ["s0", "s0", "s0"]
    assert frame["zscore"].tolist() == [9, 7, -6]
    assert frame["margin"].tolist() == [1, 5, 1]


SIGNS = [[4, -9, 1], [1, -9, 0], [-3, -9, 5], [1, -2, 1]]
SMALL = [[0.001, 1e-9, 1], [0.4, 1e-9, 1], [0.9, 1e-9, 0.001], [0.4, 0.3, 0.5]]


def test_a_unit_that_cannot_be_negative_is_named_by_what_it_raises():
    frame = annotated(with_impact(SIGNS, SMALL, non_negative=True))
    # The second unit raises no set significantly, and the last one neither raises nor lowers one
    assert frame["set"].tolist() == ["s0", "s1", "s2", ""]
    assert frame["zscore"].tolist() == [4, -9, 5, 1]
    assert frame["margin"].tolist() == [3, 9, 5, 0]
    # A unit is not what it lowers: what it raises stands beside it, here the genes of the largest scores
    assert frame["name"].tolist() == ["s0", "\N{MINUS SIGN} s1 (g5, g4)", "s2", "no set (g5, g4, g3)"]
    # Both directions are in the table
    assert frame["raised"].tolist() == ["s0", "s0", "s2", "s0"]
    assert frame["raised_zscore"].tolist() == [4, 1, 5, 1]
    assert frame["lowered"].tolist() == ["s1"] * 4
    assert frame["lowered_zscore"].tolist() == [-9, -9, -9, -2]


@pytest.mark.parametrize(("lowered", "name"), [(-11.9, "s0"), (-12, "\N{MINUS SIGN} s1 (g5, g4)")])
def test_a_unit_that_lowers_by_far_more_than_it_raises_is_named_by_what_it_lacks(lowered, name):
    adata = with_impact([[4, lowered, 1]], [[0.001, 1e-9, 1]], non_negative=True)
    frame = annotated(adata)
    assert frame["name"].tolist() == [name]
    assert frame["zscore"].tolist() == [4 if name == "s0" else lowered]
    assert frame["margin"].tolist() == [3 if name == "s0" else 12]
    # The best set of either direction is in the table as before
    assert frame.loc[0, ["raised", "raised_zscore", "lowered"]].tolist() == ["s0", 4, "s1"]
    # A unit whose lowered set names another unit has the one that it raises
    both = with_impact([[4, lowered, 1], [2, -20, 1]], [[0.001, 1e-9, 1]] * 2, non_negative=True)
    assert annotated(both, how="one_to_one")["set"].tolist() == ["s0", "s1"]
    # What is lowered has to be significant
    adata.uns["gene_set_impact"]["pval"] = np.array([[0.001, 0.5, 1]])
    assert annotated(adata)["name"].tolist() == ["s0"]


def test_a_unit_of_both_signs_is_named_by_the_largest_score():
    frame = annotated(with_impact(SIGNS, SMALL))
    assert frame["set"].tolist() == ["s1", "s1", "s1", ""]
    assert frame["zscore"].tolist() == [-9, -9, -9, -2]
    assert frame["margin"].tolist() == [5, 8, 4, 1]
    assert frame["raised"].tolist() == ["s0", "s0", "s2", "s0"]
    # Scores that were stored by hand: the user knows that the units are not negative
    assert annotated(with_impact(SIGNS, SMALL), non_negative=True)["set"].tolist() == ["s0", "s1", "s2", ""]


def test_each_direction_has_its_own_adjusted_pvalues():
    z, pval = [[3, -4, -4], [2, -4, -4]], [[0.02, 1e-9, 1e-9], [0.9, 1e-9, 1e-9]]
    both, raised = annotated(with_impact(z, pval)), annotated(with_impact(z, pval, non_negative=True))
    # Of six p-values, four are tiny; among sets that are raised, 0.02 is the smallest of six
    np.testing.assert_allclose(raised["raised_pval_adj"], [0.12, 1])
    np.testing.assert_allclose(raised["lowered_pval_adj"], 1.5e-9)
    assert raised["set"].tolist() == both["set"].tolist() == ["s1", "s1"]
    np.testing.assert_allclose(
        annotated(with_impact([[3, -4, -4], [2, -4, -4]], pval), pval_cutoff=1)["pval_adj"], 1.5e-9
    )


def test_no_two_units_that_cannot_be_negative_get_the_same_set():
    adata = with_impact([[5, -9, 0], [4, -8, 0], [-1, -7, 3]], non_negative=True)
    # The second unit could have either set, but the first needs s0, and no other unit lowers s1 alone
    assert annotated(adata, how="one_to_one")["set"].tolist() == ["s0", "s1", "s2"]
    assert annotated(adata)["set"].tolist() == ["s0", "s0", "s2"]


@pytest.fixture
def many_genes():
    """Two units and 100 genes: one has a few genes of a large set among its first, the other all genes of a small one."""
    adata = ad.AnnData(np.ones((2, 100), dtype=np.float32))
    adata.var_names = [f"g{i}" for i in range(100)]
    scores = np.linspace(1.0, -1.0, 100)
    adata.varm["saliency"] = pd.DataFrame({"u0": scores, "u1": scores}, index=adata.var_names)
    rank = np.arange(100)
    sets = {"first": rank < 5, "spread": (rank >= 20) & (rank < 50), "last": rank >= 95}
    adata.varm["gene_sets"] = pd.DataFrame(sets, index=adata.var_names)
    adata.uns["gene_set_impact"] = {
        "params": {"key": "saliency", "gene_sets_key": "gene_sets", "non_negative": True},
        "units": np.array(["u0", "u1"], dtype=object),
        "sets": np.array(list(sets), dtype=object),
        "zscore": np.array([[4.0, 6.0, -8.0], [0.5, 6.0, -8.0]]),
        "pval": np.array([[1e-4, 1e-8, 1e-9], [0.6, 1e-8, 1e-9]]),
        "specificity": np.zeros((2, 3)),
    }
    return adata


def test_a_set_without_leading_genes_is_no_name(many_genes):
    scpi.tl.annotate_units(many_genes, n_leading=10)
    frame = scpi.get.unit_annotation(many_genes)
    # All five genes of "first" are among the first ten. "spread" has none, although its impact is larger. The ten genes
    # that are changed most in either direction are five of each end
    assert frame["name"].tolist() == ["first", "\N{MINUS SIGN} last (g0, g1)"]
    chance = math.comb(95, 5) / math.comb(100, 10)
    # The larger p-value of both tests, of which one set of six is significant in each direction
    np.testing.assert_allclose(frame["raised_pval_adj"], [6 * 1e-4, 1])
    np.testing.assert_allclose(frame["lowered_pval_adj"], [6 / 2 * chance] * 2)
    assert annotated(many_genes)["set"].tolist() == ["spread", "spread"]


def test_what_a_model_says_of_its_units_reaches_their_names(tmp_path):
    adata = scpi.datasets.gene_programs(60, 120, 2, n_genes_per_program=20, rng=0)
    adata.varm["gene_sets"] = adata.varm["programs"] != 0
    scpi.model.GeneProgramAE.setup_anndata(adata)
    programs = scpi.model.GeneProgramAE(adata, n_units=3, seed=0)
    scpi.model.SCDeepCluster.setup_anndata(adata)
    clusters = scpi.model.SCDeepCluster(adata, n_clusters=2, n_latent=3, seed=0)
    for model, trained, non_negative in ((programs, {}, True), (clusters, {"max_cluster_epochs": 1}, False)):
        model.train(max_epochs=2, accelerator="cpu", enable_progress_bar=False, **trained)
        assert bool((model.get_latent_representation() >= 0).all()) == non_negative
        for method in ("decoder_effect", "gradient"):
            scpi.tl.saliency(adata, model, method=method)
            scpi.tl.gene_set_impact(adata)
            scpi.tl.annotate_units(adata)
            assert adata.uns["unit_annotation"]["params"]["non_negative"] is non_negative
        scpi.tl.gene_set_impact(
            adata, statistic="median", model=model, n_cells=5, n_permutations=5, key_added="of_cells"
        )
        assert adata.uns["of_cells"]["params"]["non_negative"] is non_negative
        scpi.tl.consensus_programs(adata, ["saliency", "saliency"])
        assert adata.uns["consensus_programs"]["params"]["non_negative"] is non_negative
        adata.write_h5ad(tmp_path / "named.h5ad")
        again = ad.read_h5ad(tmp_path / "named.h5ad")
        pd.testing.assert_frame_equal(scpi.get.unit_annotation(again), scpi.get.unit_annotation(adata))
        scpi.tl.annotate_units(again)
        pd.testing.assert_frame_equal(scpi.get.unit_annotation(again), scpi.get.unit_annotation(adata))


@pytest.mark.parametrize("non_negative", [True, False])
def test_random_sets_name_no_unit(non_negative):
    named = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        adata = ad.AnnData(rng.gamma(1.0, size=(2, 300)).astype(np.float32))
        adata.varm["gene_sets"] = pd.DataFrame(rng.random((300, 30)) < 0.1, index=adata.var_names).add_prefix("s")
        adata.varm["saliency"] = pd.DataFrame(rng.normal(size=(300, 4)), index=adata.var_names).add_prefix("u")
        scpi.tl.gene_set_impact(adata)
        named.append((annotated(adata, non_negative=non_negative)["set"] != "").any())
    # Any name at all is one in at most 5 % of the data sets, and here in 9 of 60 with a probability of 0.001
    assert sum(named) < 9


def test_scores_of_a_group_of_cells(many_genes):
    many_genes.varm["saliency_groups"] = np.repeat(many_genes.varm["saliency"].to_numpy()[:, :, None], 2, axis=2)
    many_genes.varm["saliency_groups"][:, :, 1] *= -1
    many_genes.uns["saliency"] = {"units": ["u0", "u1"], "groups": ["a", "b"]}
    names = {}
    for group in ("a", "b"):
        many_genes.uns["gene_set_impact"]["params"]["group"] = group
        scpi.tl.annotate_units(many_genes, n_leading=10)
        names[group] = many_genes.uns["unit_annotation"]["sets"].tolist()
    assert names == {"a": ["first", "last"], "b": ["", ""]}


def test_only_a_significant_set_is_a_name():
    pval = [[0.2, 0.01, 0.01], [0.2, 0.2, 0.2], [0.01, 0.01, 0.01]]
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]], pval)
    frame = annotated(adata, how="one_to_one")
    assert frame["set"].tolist() == ["s1", "", "s0"]
    assert frame["genes"].tolist()[1] == ""
    assert frame["zscore"].tolist() == [8, 7, -6]
    # Five of nine p-values are 0.01
    np.testing.assert_allclose(frame["pval_adj"], [0.018, 0.2, 0.018])
    assert (annotated(adata, pval_cutoff=1.0)["set"] != "").all()


def test_driving_genes_move_the_unit_with_the_set():
    # Saliencies are -2.5 to 2.5, and set k has genes 2k and 2k + 1
    adata = with_impact([[0, 0, 5], [-5, 0, 0], [0, 4, 0]])
    assert annotated(adata)["genes"].tolist() == ["g5;g4", "g0;g1", "g3"]
    assert annotated(adata, n_genes=1)["genes"].tolist() == ["g5", "g0", "g3"]


def test_more_units_than_sets_and_the_reverse():
    adata = with_impact([[3], [5]])
    frame = annotated(adata, how="one_to_one")
    assert frame["set"].tolist() == ["", "s0"]
    assert np.isnan(frame["margin"]).all()


def test_units_of_one_set_share_its_name_with_what_tells_them_apart():
    adata = with_impact(
        [[9, 1, 0], [7, 1, 0], [-6, 1, 0], [0, 8, 1], [0, 0, 1]],
        np.repeat([[0.01], [0.2]], [4, 1], axis=0) * np.ones(3),
    )
    weights = [[5, 1, 0, 0, 0, 0], [1, 0, 5, 0, 0, 0], [-3, 0, 0, -5, 0, 0], [0, 0, 5, 4, 0, 0], [0, 0, 0, 0, 4, -5]]
    adata.varm["saliency"] = pd.DataFrame(
        np.array(weights, float).T, index=adata.var_names, columns=[f"u{i}" for i in range(5)]
    )
    frame = annotated(adata)
    # The third unit lowers the set, so that its genes count the other way; the last has no set
    assert frame["name"].tolist() == ["s0 (g0, g1)", "s0 (g2)", "− s0 (g3)", "s1", "no set (g5, g4)"]
    assert frame["set"].tolist() == ["s0", "s0", "s0", "s1", ""]


def test_names_are_different_where_nothing_tells_units_apart():
    adata = with_impact([[9, 1], [7, 1], [0, 6]])
    del adata.uns["gene_set_impact"]["params"]["key"]  # as the statistic of single cells leaves it
    assert annotated(adata)["name"].tolist() == ["s0 [u0]", "s0 [u1]", "s1"]


@pytest.fixture
def with_labels():
    adata = ad.AnnData(np.ones((8, 6), dtype=np.float32))
    other = with_impact([[9, 1, 0], [7, 1, 0], [0, 6, 0]])
    adata.var_names, adata.uns = other.var_names, other.uns
    for key in other.varm:
        adata.varm[key] = other.varm[key]
    adata.obs["type"] = pd.Categorical(["B", "B", "T", "T", "NK", "NK", None, "B"])
    adata.obs["batch"] = [1, 2, 1, 2, 1, 2, 1, 2]
    units = {"u0": [5, 6, 0, 1, 0, 1, 9, 7], "u1": [2, 3, 0, 1, 2, 3, -9, 2.5], "u2": [1, 1, 1, 1, 1, 1, 1, 1]}
    adata.obsm["X_scpi"] = pd.DataFrame(units, index=adata.obs_names, dtype=float)
    return adata


def test_labels_of_cells_that_units_follow(with_labels):
    frame = annotated(with_labels, obs_keys=["type", "batch"])
    stored = with_labels.uns["unit_annotation"]
    assert stored["labels"].tolist() == ["type: B", "type: NK", "type: T", "batch: 1", "batch: 2"]
    # 12 pairs of a B cell and another; the cell without a type counts for the batches only
    np.testing.assert_allclose(stored["auroc"][0, :3], [1.0, 0.2, 0.2])
    np.testing.assert_allclose(stored["auroc"][2], 0.5)
    assert frame["follows"].tolist() == ["type: B", "lower in type: T", ""]
    assert frame["auroc"].tolist() == [1.0, 0.0, 0.5]
    # Of two labels, a unit follows the one in which it is high
    with_labels.obs["half"] = ["low", "low", "up", "up"] * 2
    with_labels.obsm["X_scpi"] = with_labels.obsm["X_scpi"].assign(u0=(with_labels.obs["half"] == "up") * 1.0)
    assert annotated(with_labels, obs_keys="half").loc[0, ["follows", "auroc"]].tolist() == ["half: up", 1.0]
    assert frame["information_type"].iloc[2] == frame["information_batch"].iloc[2] == 0
    # Units of one set follow different labels, which tell them apart
    assert frame["name"].tolist() == ["s0 (type: B)", "s0 (lower in type: T)", "s1"]


@pytest.mark.parametrize(
    ("change", "kwargs", "error", "match"),
    [
        (None, {"obs_keys": "nothing"}, KeyError, "nothing"),
        (None, {"obs_keys": "type", "use_rep": "X_other"}, KeyError, "no latent units 'X_other'"),
        (
            lambda adata: adata.obs.__setitem__("size", np.arange(8.0)),
            {"obs_keys": "size"},
            ValueError,
            "numbers, not labels",
        ),
        (
            lambda adata: adata.obsm.__setitem__("X_scpi", np.ones((8, 2))),
            {"obs_keys": "type"},
            ValueError,
            "no unit 'u0', 'u1', 'u2', only '0', '1'",
        ),
    ],
)
def test_labels_and_activities_must_fit(with_labels, change, kwargs, error, match):
    if change is not None:
        change(with_labels)
    with pytest.raises(error, match=match):
        scpi.tl.annotate_units(with_labels, **kwargs)


def test_planted_programs_get_their_names():
    right = []
    for seed in range(4):
        adata = scpi.datasets.gene_programs(300, 600, 8, n_genes_per_program=30, overlap=0.2, rng=seed)
        rng = np.random.default_rng(seed)
        adata.varm["gene_sets"] = adata.varm["programs"] != 0
        truth = adata.varm["programs"].to_numpy()
        order = rng.permutation(8)
        adata.varm["saliency"] = truth[:, order] * rng.choice([-1, 1], 8) + 0.5 * rng.normal(size=truth.shape)
        scpi.tl.gene_set_impact(adata)
        scpi.tl.annotate_units(adata)
        names = adata.varm["programs"].columns.to_numpy()
        right.append((scpi.get.unit_annotation(adata)["set"].to_numpy() == names[order]).mean())
    assert np.mean(right) >= 0.9


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"how": "all"}, "`how` must be one of 'best', 'one_to_one'"),
        ({"by": "impact"}, "`by` must be one of"),
        ({"pval_cutoff": 0}, "`pval_cutoff` must be above 0"),
        ({"n_genes": 0}, "`n_genes` must be at least 1"),
        ({"n_leading": 0}, "`n_leading` must be at least 1"),
    ],
)
def test_bad_input_is_explained(kwargs, match):
    with pytest.raises(ValueError, match=match):
        scpi.tl.annotate_units(with_impact([[1, 2], [3, 4]]), **kwargs)


def test_saliencies_of_other_units_are_noticed():
    adata = with_impact([[1, 2], [3, 4]])
    adata.varm["saliency"] = adata.varm["saliency"].rename(columns={"u1": "other"})
    with pytest.raises(ValueError, match="no unit 'u1' any more"):
        scpi.tl.annotate_units(adata)
    adata = with_impact([[1, 2], [3, 4]])
    adata.varm["gene_sets"] = adata.varm["gene_sets"].rename(columns={"s0": "other"})
    with pytest.raises(ValueError, match="no gene set 's0' any more: call `scpi.tl.gene_set_impact` again"):
        scpi.tl.annotate_units(adata)
    with pytest.raises(KeyError, match="scpi.tl.gene_set_impact"):
        scpi.tl.annotate_units(adata, key="nothing")
