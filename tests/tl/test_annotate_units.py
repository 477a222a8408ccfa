from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.tl._annotate_units import match_units


def with_impact(z, pval_adj=None):
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
        "params": {"key": "saliency", "gene_sets_key": "gene_sets"},
        "units": np.array([f"u{i}" for i in range(n_units)], dtype=object),
        "sets": np.array([f"s{j}" for j in range(n_sets)], dtype=object),
        "zscore": z,
        "specificity": -z,
        "pval_adj": np.full(z.shape, 0.01) if pval_adj is None else np.asarray(pval_adj),
    }
    return adata


def test_no_two_units_get_the_same_set():
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]])
    scpi.tl.annotate_units(adata, how="one_to_one")
    frame = scpi.get.unit_annotation(adata)
    # 8 + 7 + 5 is more than 9 + 1 + 5 and 9 + 2 + 0
    assert frame["set"].tolist() == ["s1", "s0", "s2"]
    assert frame["zscore"].tolist() == [8, 7, 5]
    assert frame["margin"].tolist() == [-1, 5, -1]


def test_the_best_set_of_each_unit():
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]])
    scpi.tl.annotate_units(adata)
    frame = scpi.get.unit_annotation(adata)
    assert frame["set"].tolist() == ["s0", "s0", "s0"]
    assert frame["zscore"].tolist() == [9, 7, -6]
    assert frame["margin"].tolist() == [1, 5, 1]


def test_only_a_significant_set_is_a_name():
    pval = [[0.2, 0.01, 0.01], [0.2, 0.2, 0.2], [0.01, 0.01, 0.01]]
    adata = with_impact([[9, 8, 0], [7, 1, -2], [-6, 0, 5]], pval)
    scpi.tl.annotate_units(adata, how="one_to_one")
    frame = scpi.get.unit_annotation(adata)
    assert frame["set"].tolist() == ["s1", "", "s0"]
    assert frame["genes"].tolist()[1] == ""
    assert frame["zscore"].tolist() == [8, 7, -6]
    assert frame["pval_adj"].tolist() == [0.01, 0.2, 0.01]
    scpi.tl.annotate_units(adata, pval_cutoff=1.0)
    assert (scpi.get.unit_annotation(adata)["set"] != "").all()


def test_driving_genes_move_the_unit_with_the_set():
    # Saliencies are -2.5 to 2.5, and set k has genes 2k and 2k + 1
    adata = with_impact([[0, 0, 5], [-5, 0, 0], [0, 4, 0]])
    scpi.tl.annotate_units(adata)
    assert scpi.get.unit_annotation(adata)["genes"].tolist() == ["g5;g4", "g0;g1", "g3"]
    scpi.tl.annotate_units(adata, n_genes=1)
    assert scpi.get.unit_annotation(adata)["genes"].tolist() == ["g5", "g0", "g3"]


def test_more_units_than_sets_and_the_reverse():
    assert match_units(np.array([[3.0], [5.0]]), one_to_one=True).tolist() == [-1, 0]
    assert match_units(np.array([[3.0, 4.0]]), one_to_one=True).tolist() == [1]
    adata = with_impact([[3], [5]])
    scpi.tl.annotate_units(adata, how="one_to_one")
    assert scpi.get.unit_annotation(adata)["set"].tolist() == ["", "s0"]
    assert np.isnan(scpi.get.unit_annotation(adata)["margin"]).all()


def test_units_of_one_set_share_its_name_with_what_tells_them_apart():
    adata = with_impact(
        [[9, 1, 0], [7, 1, 0], [-6, 1, 0], [0, 8, 1], [0, 0, 1]],
        np.repeat([[0.01], [0.2]], [4, 1], axis=0) * np.ones(3),
    )
    weights = [[5, 1, 0, 0, 0, 0], [1, 0, 5, 0, 0, 0], [-3, 0, 0, -5, 0, 0], [0, 0, 5, 4, 0, 0], [0, 0, 0, 0, 4, -5]]
    adata.varm["saliency"] = pd.DataFrame(
        np.array(weights, float).T, index=adata.var_names, columns=[f"u{i}" for i in range(5)]
    )
    scpi.tl.annotate_units(adata)
    frame = scpi.get.unit_annotation(adata)
    # The third unit lowers the set, so that its genes count the other way; the last has no set
    assert frame["name"].tolist() == ["s0 (g0, g1)", "s0 (g2)", "− s0 (g3)", "s1", "no set (g5, g4)"]
    assert frame["set"].tolist() == ["s0", "s0", "s0", "s1", ""]


def test_names_are_different_where_nothing_tells_units_apart():
    adata = with_impact([[9, 1], [7, 1], [0, 6]])
    del adata.uns["gene_set_impact"]["params"]["key"]  # as the statistic of single cells leaves it
    scpi.tl.annotate_units(adata)
    assert scpi.get.unit_annotation(adata)["name"].tolist() == ["s0 [u0]", "s0 [u1]", "s1"]


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
    scpi.tl.annotate_units(with_labels, obs_keys=["type", "batch"])
    stored, frame = with_labels.uns["unit_annotation"], scpi.get.unit_annotation(with_labels)
    assert stored["labels"].tolist() == ["type: B", "type: NK", "type: T", "batch: 1", "batch: 2"]
    # 12 pairs of a B cell and another; the cell without a type counts for the batches only
    np.testing.assert_allclose(stored["auroc"][0, :3], [1.0, 0.2, 0.2])
    np.testing.assert_allclose(stored["auroc"][2], 0.5)
    assert frame["follows"].tolist() == ["type: B", "− type: T", ""]
    assert frame["auroc"].tolist() == [1.0, 0.0, 0.5]
    # Of two labels, a unit follows the one in which it is high
    with_labels.obs["half"] = ["low", "low", "up", "up"] * 2
    with_labels.obsm["X_scpi"] = with_labels.obsm["X_scpi"].assign(u0=(with_labels.obs["half"] == "up") * 1.0)
    scpi.tl.annotate_units(with_labels, obs_keys="half")
    assert scpi.get.unit_annotation(with_labels).loc[0, ["follows", "auroc"]].tolist() == ["half: up", 1.0]
    assert frame["information_type"].iloc[2] == frame["information_batch"].iloc[2] == 0
    # Units of one set follow different labels, which tell them apart
    assert frame["name"].tolist() == ["s0 (type: B)", "s0 (− type: T)", "s1"]


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
    with pytest.raises(KeyError, match="scpi.tl.gene_set_impact"):
        scpi.tl.annotate_units(adata, key="nothing")
