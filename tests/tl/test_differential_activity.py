from __future__ import annotations

import time

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from mudata import MuData
from scipy import stats

import scpi

SETS = ["s0", "s1", "s2", "s3"]


@pytest.fixture
def adata():
    """Three perturbations of 30, 20 and 25 cells; A moves s1 up, B moves s2 down."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["control", "A", "B", "A+B", "C"], [60, 30, 20, 25, 1])
    activity = rng.normal(size=(len(labels), 4))
    activity[labels == "A", 1] += 2.0
    activity[labels == "B", 2] -= 3.0
    order = rng.permutation(len(labels))
    adata = ad.AnnData(np.zeros((len(labels), 5), dtype=np.float32), obs={"perturbation": labels[order]})
    adata.var_names = ["A", "B", "g2", "g3", "g4"]
    adata.obsm["pathway_activity"] = activity[order].astype(np.float32)
    adata.uns["pathway_activity"] = {"names": np.array(SETS, dtype=object)}
    membership = np.zeros((5, 4), dtype=bool)
    membership[0, 1] = membership[1, [2, 3]] = membership[2, 0] = True
    adata.varm["gene_sets"] = pd.DataFrame(membership, index=adata.var_names, columns=SETS)
    return adata


def run(adata, **kwargs):
    kwargs.setdefault("groups", ["A", "B", "A+B"])
    scpi.tl.differential_activity(adata, **kwargs)
    return adata.uns["differential_activity"]


def oracle(adata, group, method):
    x = adata.obsm["pathway_activity"].astype(np.float64)
    cells, control = x[adata.obs["perturbation"] == group], x[adata.obs["perturbation"] == "control"]
    if method == "welch":
        return cells.mean(axis=0) - control.mean(axis=0), stats.ttest_ind(cells, control, equal_var=False)
    return cells.mean(axis=0) - control.mean(axis=0), stats.mannwhitneyu(cells, control, method="asymptotic")


@pytest.mark.parametrize("method", ["welch", "wilcoxon"])
def test_results_are_those_of_scipy(adata, method):
    results = run(adata, method=method)["results"]
    assert results.columns.tolist() == ["group", "set", "effect", "score", "pval", "log10_pval", "pval_adj", "rank"]
    assert len(results) == 12
    for group in ("A", "B", "A+B"):
        one = results[results["group"] == group]
        assert one["rank"].tolist() == [1, 2, 3, 4]
        assert (one["score"].abs().diff().dropna() <= 0).all()
        one = one.set_index("set").loc[SETS]
        effect, test = oracle(adata, group, method)
        np.testing.assert_allclose(one["effect"], effect, rtol=1e-6)
        np.testing.assert_allclose(one["pval"], test.pvalue, rtol=1e-6)
        np.testing.assert_allclose(one["log10_pval"], np.log10(test.pvalue), rtol=1e-6)
        np.testing.assert_allclose(one["pval_adj"], stats.false_discovery_control(test.pvalue), rtol=1e-6)
        if method == "welch":
            np.testing.assert_allclose(one["score"], test.statistic, rtol=1e-6)
    assert results.iloc[0][["group", "set"]].tolist() == ["A", "s1"]


def test_the_summary_counts_own_sets(adata):
    summary = run(adata, top_n=(1, 3))["summary"].set_index("group")
    assert summary.index.tolist() == ["A", "B", "A+B"]
    assert summary["n_cells"].tolist() == [30, 20, 25]
    assert summary["n_own_sets"].tolist() == [1, 2, 3]
    assert summary["target_genes"].tolist() == ["A", "B", "A;B"]
    effect, _ = oracle(adata, "A", "welch")
    assert summary.loc["A", "dar"] == pytest.approx(abs(effect[1]) / np.abs(effect[[0, 2, 3]]).mean(), rel=1e-6)
    assert summary.loc["A", "hits_at_1"] == 1.0
    assert summary.loc["B", "hits_at_1"] == 0.5
    np.testing.assert_allclose(summary["chance_at_1"], 0.25)
    np.testing.assert_allclose(summary["chance_at_3"], 0.75)
    assert summary.loc["A", "n_significant"] >= 1


def test_chance_is_what_random_scores_give(adata):
    rng = np.random.default_rng(1)
    adata = ad.AnnData(np.zeros((600, 200), dtype=np.float32))
    adata.obs["perturbation"] = np.where(np.arange(600) < 200, "control", (np.arange(600) % 200).astype(str))
    adata.varm["gene_sets"] = rng.random((200, 100)) < 0.1
    adata.obsm["pathway_activity"] = rng.normal(size=(600, 100))
    scpi.tl.differential_activity(adata, top_n=(25,))
    summary = adata.uns["differential_activity"]["summary"]
    assert len(summary) == 200
    assert summary["hits_at_25"].mean() == pytest.approx(summary["chance_at_25"].mean(), abs=0.03)
    assert summary["dar"].mean() == pytest.approx(1.0, abs=0.1)


def test_target_genes_can_be_named(adata):
    summary = run(adata, groups=["A", "B"], target_genes={"A": "g2", "B": ["A", "B", "unmeasured"]})["summary"]
    assert summary["target_genes"].tolist() == ["g2", "A;B"]
    assert summary["n_own_sets"].tolist() == [1, 3]


def test_unknown_targets_give_no_ratio(adata):
    summary = run(adata, groups=["A"], target_genes={"A": "unmeasured"})["summary"]
    assert summary["n_own_sets"].tolist() == [0]
    assert summary[["dar", "hits_at_25", "chance_at_25", "hits_at_100", "chance_at_100"]].isna().all(axis=None)
    del adata.varm["gene_sets"]
    assert run(adata, groups=["A"])["summary"]["n_own_sets"].tolist() == [0]


def test_sets_are_matched_by_name(adata):
    adata.varm["gene_sets"] = adata.varm["gene_sets"][["s3", "s1"]]
    assert run(adata)["summary"]["n_own_sets"].tolist() == [1, 1, 2]


def test_a_group_of_one_cell(adata):
    with pytest.raises(ValueError, match=r"fewer than 2 cells and cannot be tested: 'C' \(1\)"):
        run(adata, groups=["A", "C"])
    assert "differential_activity" not in adata.uns
    with pytest.warns(UserWarning, match="fewer than 2 cells: 'C'") as record:
        run(adata, groups="all")
    assert record[0].filename == __file__
    assert adata.uns["differential_activity"]["summary"]["group"].tolist() == ["A", "A+B", "B"]
    with pytest.warns(UserWarning, match="'B', 'C'"):
        run(adata, groups="all", min_cells=21)


@pytest.mark.parametrize("convert", [lambda x: x.astype("category"), lambda x: x.astype("string")])
def test_labels_of_any_kind(adata, convert):
    expected = run(adata)["results"]
    adata.obs["perturbation"] = convert(adata.obs["perturbation"])
    pd.testing.assert_frame_equal(run(adata)["results"], expected)


def test_cells_without_a_label_are_left_out(adata):
    expected = run(adata)["results"]
    more = ad.concat([adata, adata[:20]], index_unique="-", merge="same")
    more.uns["pathway_activity"] = adata.uns["pathway_activity"]
    more.obs["perturbation"] = more.obs["perturbation"].astype(object)
    more.obs.iloc[adata.n_obs :, 0] = None
    pd.testing.assert_frame_equal(run(more)["results"], expected)


def test_small_p_values_stay_finite(adata):
    adata.obsm["pathway_activity"] = np.random.default_rng(0).normal(0, 1e-6, size=adata.obsm["pathway_activity"].shape)
    adata.obsm["pathway_activity"][adata.obs["perturbation"] == "A", 0] += 100.0
    results = run(adata)["results"]
    assert np.isfinite(results["log10_pval"]).all()
    assert results["log10_pval"].min() < -200


def test_a_copy_leaves_the_input_alone(adata):
    result = scpi.tl.differential_activity(adata, groups=["A"], copy=True)
    assert "differential_activity" not in adata.uns
    assert "differential_activity" in result.uns


def test_a_view_is_tested_alone(adata):
    view = adata[adata.obs["perturbation"].isin(["control", "A"])]
    results = run(view, groups="all")["results"]
    assert results["group"].unique().tolist() == ["A"]
    effect, _ = oracle(adata, "A", "welch")
    np.testing.assert_allclose(results.set_index("set").loc[SETS, "effect"], effect, rtol=1e-6)


def test_it_survives_a_file(adata, tmp_path):
    expected = run(adata)
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        stored = again.uns["differential_activity"]
        pd.testing.assert_frame_equal(stored["summary"], expected["summary"], check_dtype=False, check_index_type=False)
        frame = scpi.get.differential_activity(again, group="B")
        assert frame["set"].astype(str).tolist()[0] == "s2"
        np.testing.assert_array_equal(stored["results"]["score"], expected["results"]["score"])
        assert stored["params"]["method"] == "welch"
        assert stored["params"]["n_reference"] == 60


def test_labels_of_all_modalities(adata):
    expected = run(adata)["results"]
    labels = adata.obs.pop("perturbation")
    mdata = MuData(
        {"rna": adata, "protein": ad.AnnData(np.ones((adata.n_obs, 2)), obs=pd.DataFrame(index=adata.obs_names))}
    )
    mdata.obs["perturbation"] = labels
    scpi.tl.differential_activity(mdata, groups=["A", "B", "A+B"], mod="rna")
    pd.testing.assert_frame_equal(mdata["rna"].uns["differential_activity"]["results"], expected)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"activity_key": "x"}, KeyError, "no activity of gene sets 'x', only 'pathway_activity'"),
        ({"perturbation_key": "x"}, KeyError, "no column 'x', only 'perturbation'"),
        ({"control": "NT"}, ValueError, r"0 cell\(s\) of the control 'NT'.*'control'"),
        ({"groups": ["A", "Z"]}, ValueError, "'Z' that is no label"),
        ({"groups": []}, ValueError, "empty"),
        ({"groups": ["control"]}, ValueError, "against itself"),
        ({"method": "t"}, ValueError, "'welch', 'wilcoxon', but is 't'"),
        ({"min_cells": 1}, ValueError, "at least 2"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        run(adata, **kwargs)
    assert "differential_activity" not in adata.uns


def test_activity_must_be_finite(adata):
    adata.obsm["pathway_activity"][3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        run(adata)
    adata.obsm["pathway_activity"] = adata.obsm["pathway_activity"][:, :3]
    with pytest.raises(ValueError, match="3 sets, but"):
        run(adata)


def test_a_large_screen_is_not_tested_pair_by_pair():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(np.zeros((50_000, 1), dtype=np.float32))
    adata.obs["perturbation"] = pd.Categorical(
        np.array(["control", *(f"g{i}" for i in range(105))])[rng.integers(0, 106, 50_000)]
    )
    adata.obsm["pathway_activity"] = rng.random((50_000, 400), dtype=np.float32)
    start = time.process_time()
    scpi.tl.differential_activity(adata)
    together = time.process_time() - start
    assert len(adata.uns["differential_activity"]["results"]) == 105 * 400
    x = adata.obsm["pathway_activity"]
    group, control = ((adata.obs["perturbation"] == name).to_numpy() for name in ("g0", "control"))
    start = time.process_time()
    for column in range(50):
        stats.ttest_ind(x[group, column], x[control, column], equal_var=False)
    of_a_pair = (time.process_time() - start) / 50
    # All pairs take as long as a few hundred of them one by one
    assert together < 105 * 400 / 10 * of_a_pair


IFNG = "HALLMARK_INTERFERON_GAMMA_RESPONSE"


@pytest.fixture(scope="module")
def papalexi(test_data):
    """Plain means of Hallmark sets; the panel has 299 genes, so three measured ones make a set."""
    adata = ad.read_h5ad(test_data("papalexi2021_eccite_299genes.h5ad"))
    scpi.tl.gene_sets(adata, test_data("hallmark_human_v7.0.gmt"), min_size=3)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    scpi.tl.pathway_activity(adata)
    return adata


@pytest.mark.parametrize("replicate", [None, "rep_1", "rep_2", "rep_3"])
def test_interferon_response_answers_to_its_own_pathway(papalexi, replicate):
    adata = papalexi if replicate is None else papalexi[papalexi.obs["bio_rep"] == replicate].copy()
    scpi.tl.differential_activity(adata, control="non-targeting")
    result = scpi.get.differential_activity(adata, group=["STAT1", "JAK2", "IFNGR1", "IFNGR2"])
    ifng = result[result["set"] == IFNG].set_index("group")
    # Twenty-five sets with at least three genes; a replicate has a third of the cells, so a smaller t
    assert len(result) == 4 * 25
    if replicate is None:
        assert ifng["rank"].tolist() == [1, 1, 1, 1]
        assert ifng["score"].between(-39, -32).all()
    else:
        assert (ifng["rank"] <= 2).all()
        assert ifng["score"].between(-27, -13).all()
    summary = adata.uns["differential_activity"]["summary"].set_index("group")
    assert summary.loc["CAV1", "n_significant"] == 0
    assert summary.loc["STAT1", "dar"] > 2


def test_spellings_of_a_combination_are_one_group(adata):
    labels = adata.obs["perturbation"].astype(str).to_numpy(dtype=object)
    scpi.tl.differential_activity(adata, groups=["B+A"])
    expected = adata.uns["differential_activity"]["results"]
    assert expected["group"].unique().tolist() == ["A+B"]
    doubles = np.flatnonzero(labels == "A+B")
    labels[doubles[::2]] = "B + A"
    labels[np.flatnonzero(labels == "control")[0]] = "control+control"
    adata.obs["perturbation"] = labels
    with pytest.warns(UserWarning, match=r"'A\+B', 'B \+ A' as 'A\+B'; 'control', 'control\+control' as 'control'"):
        scpi.tl.differential_activity(adata, groups="B+A")
    pd.testing.assert_frame_equal(adata.uns["differential_activity"]["results"], expected)


def test_several_controls_and_one_number_of_sets(adata):
    adata.obs["perturbation"] = adata.obs["perturbation"].astype(str).replace({"B": "NT"})
    scpi.tl.differential_activity(adata, control=["control", "NT"], top_n=2)
    summary = adata.uns["differential_activity"]["summary"]
    assert "NT" not in set(summary["group"]) and "hits_at_2" in summary
    with pytest.raises(ValueError, match="`delimiter` must not be empty"):
        scpi.tl.differential_activity(adata, delimiter="")
