from __future__ import annotations

import warnings

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

import scpi
from scpi._ranking import Ranking, write_ranking
from scpi.metrics import agreement_matrix, overlap_log_pval

GENES = ["g0", "g1", "g2", "g3"]


def ranking(scores, **parts):
    scores = np.asarray(scores, dtype=float)
    log10_pvals = parts.pop("log10_pvals", -np.abs(scores))
    return Ranking(
        groups=np.array(["A", "B", "C"][: len(scores)], dtype=object),
        genes=np.array(GENES, dtype=object),
        scores=scores,
        logfoldchanges=scores / 2,
        log10_pvals=log10_pvals,
        pvals_adj=np.minimum(10.0**log10_pvals * 2, 1),
        **{"params": {"groupby": "condition", "reference": "ctrl", "method": "limma"}} | parts,
    )


@pytest.fixture
def adata():
    """Two conditions; g2 was not tested in B."""
    adata = ad.AnnData(np.ones((3, 4), dtype=np.float32), var=pd.DataFrame({"symbol": list("WXYZ")}, index=GENES))
    scores = [[3.0, -1.0, 0.5, -400.0], [-2.0, 1.0, np.nan, 0.0]]
    extra = {"ave_expr": np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, np.nan, 8.0]])}
    groups = pd.DataFrame({"group": ["B", "A"], "n_samples": [2, 3]})
    pts = pd.DataFrame({"A": [0.1, 0.2, 0.3, 0.4], "B": [0.5, 0.6, 0.7, 0.8]}, index=GENES)
    write_ranking(adata, "rank_genes_groups", ranking(scores, extra=extra), groups=groups, pts=pts)
    return adata


# --- de_df


def test_a_row_for_each_tested_gene(adata):
    frame = scpi.get.de_df(adata)
    assert (frame["group"].astype(str) + frame["gene"]).tolist() == ["Ag0", "Ag2", "Ag1", "Ag3", "Bg1", "Bg3", "Bg0"]
    assert frame["rank"].tolist() == [1, 2, 3, 4, 1, 2, 3]
    np.testing.assert_allclose(frame["score"], [3.0, 0.5, -1.0, -400.0, 1.0, 0.0, -2.0])
    np.testing.assert_allclose(frame["log2fc"], frame["score"] / 2)
    np.testing.assert_allclose(frame["log10_pval"], -np.abs(frame["score"]))
    assert frame["pval"][3] == 0
    np.testing.assert_allclose(frame["pval_adj"], np.minimum(2 * frame["pval"], 1))
    np.testing.assert_allclose(frame["ave_expr"], [1, 3, 2, 4, 6, 8, 5])
    np.testing.assert_allclose(frame["pts"], [0.1, 0.3, 0.2, 0.4, 0.6, 0.8, 0.5])
    assert "pts_rest" not in frame


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"group": "B"}, ["g1", "g3", "g0"]),
        ({"group": ["B"], "top_n": 1}, ["g1"]),
        ({"top_n": 1}, ["g0", "g1"]),
        ({"pval_cutoff": 0.02}, ["g0", "g3", "g0"]),
        ({"log2fc_min": 0.25}, ["g0", "g2", "g1"]),
        ({"log2fc_max": -1}, ["g3", "g0"]),
        ({"pval_cutoff": 0.02, "log2fc_max": 0, "top_n": 1}, ["g3", "g0"]),
        ({"pval_cutoff": 0}, ["g3"]),
    ],
)
def test_rows_can_be_chosen(adata, kwargs, expected):
    frame = scpi.get.de_df(adata, **kwargs)
    assert frame["gene"].tolist() == expected
    assert frame.index.tolist() == list(range(len(expected)))


@pytest.mark.parametrize("method", ["t-test", "wilcoxon"])
def test_it_agrees_with_scanpy(method):
    adata = sc.datasets.pbmc68k_reduced()
    sc.tl.rank_genes_groups(adata, "bulk_labels", method=method, pts=True)
    ours = scpi.get.de_df(adata, group=["CD34+", "Dendritic"], pval_cutoff=0.01, log2fc_min=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = sc.get.rank_genes_groups_df(adata, ["CD34+", "Dendritic"], pval_cutoff=0.01, log2fc_min=1)
    names = {
        "gene": "names",
        "score": "scores",
        "log2fc": "logfoldchanges",
        "pval": "pvals",
        "pval_adj": "pvals_adj",
        "pts": "pct_nz_group",
        "pts_rest": "pct_nz_reference",
    }
    assert len(ours) > 100
    # Genes of equal score come in another order
    order = ["group", "gene"]
    ours, theirs = ours.sort_values(order), theirs.rename(columns={v: k for k, v in names.items()}).sort_values(order)
    for name in names:
        if name == "gene":
            assert ours[name].tolist() == theirs[name].tolist()
        else:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-12)


def test_the_modality_of_a_mudata(adata):
    mdata = md.MuData({"rna": adata})
    pd.testing.assert_frame_equal(scpi.get.de_df(mdata, mod="rna"), scpi.get.de_df(adata))
    assert scpi.get.signed_logp(mdata, mod="rna").shape == (2, 4)


# --- signed_logp


def test_signed_logp_of_known_tests(adata):
    signed = scpi.get.signed_logp(adata)
    assert signed.obs_names.tolist() == ["A", "B"]
    assert signed.var_names.tolist() == GENES
    np.testing.assert_allclose(signed.X, [[3, -1, 0.5, -323.306], [-2, 1, np.nan, 0]], rtol=1e-5)
    np.testing.assert_allclose(signed.layers["logFC"], [[1.5, -0.5, 0.25, -200], [-1, 0.5, np.nan, 0]])
    np.testing.assert_allclose(signed.layers["P.Value"], [[1e-3, 0.1, 10**-0.5, 0], [1e-2, 0.1, np.nan, 1]])
    np.testing.assert_allclose(signed.layers["adj.P.Value"], [[2e-3, 0.2, 2 * 10**-0.5, 0], [2e-2, 0.2, np.nan, 1]])
    assert signed.layers["is_de"].tolist() == [[True, False, False, True], [True, False, False, False]]
    # Of g0 in B p is 0.01, and 0.02 when adjusted
    strict = scpi.get.signed_logp(adata, pval_cutoff=0.015)
    assert strict.layers["is_de"].tolist() == [[True, False, False, True], [True, False, False, False]]
    assert strict.layers["is_de_adj"].tolist() == [[True, False, False, True], [False, False, False, False]]
    assert signed.var["symbol"].tolist() == list("WXYZ")
    assert signed.obs["n_samples"].tolist() == [3, 2]
    assert signed.uns["params"]["reference"] == "ctrl"


def test_signed_logp_can_be_cut_off_and_chosen(adata):
    signed = scpi.get.signed_logp(adata, group="A", clip=2)
    np.testing.assert_allclose(signed.X, [[2, -1, 0.5, -2]])
    assert signed.layers["P.Value"][0, 0] == pytest.approx(1e-3)
    with pytest.raises(ValueError, match="`clip` must be above 0"):
        scpi.get.signed_logp(adata, clip=0)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_signed_logp_can_be_written(adata, kind, tmp_path):
    signed = scpi.get.signed_logp(adata, clip=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        getattr(signed, f"write_{kind}")(tmp_path / f"x.{kind}")
    read = getattr(ad, f"read_{kind}")(tmp_path / f"x.{kind}")
    np.testing.assert_array_equal(read.X, signed.X)
    np.testing.assert_array_equal(read.layers["is_de"], signed.layers["is_de"])
    pd.testing.assert_frame_equal(read.obs, signed.obs, check_index_type=False)  # files keep strings, not objects


def test_genes_of_raw_keep_their_columns():
    adata = sc.datasets.pbmc68k_reduced()
    adata.raw.var["ensembl"] = "x"
    less = adata[:, :50].copy()
    sc.tl.rank_genes_groups(less, "bulk_labels", use_raw=True, method="t-test")
    signed = scpi.get.signed_logp(less)
    assert signed.shape == (10, 765)
    assert signed.var_names[:50].tolist() == less.var_names.tolist()
    assert (signed.var["ensembl"] == "x").all()


def test_a_ranking_without_p_values(adata):
    write_ranking(adata, "score", ranking([[1.0, 2.0, 3.0, 4.0]], log10_pvals=np.full((1, 4), np.nan)))
    with pytest.raises(ValueError, match="under 'score' has no p-values"):
        scpi.get.signed_logp(adata, key="score")
    assert len(scpi.get.de_df(adata, key="score")) == 4


# --- ranking_agreement


@pytest.fixture
def compared(adata):
    write_ranking(adata, "x", ranking([[4, 3, 2, -9], [4, 3, 2, 1]]))
    write_ranking(adata, "y", ranking([[4, 2, 3, 1], [1, 2, 3, 4]], params={"rankby_abs": True}))
    write_ranking(adata, "z", ranking([[4, 2, 3, 1], [1, 2, 3, 4], [1, 1, 1, 1]]))
    return adata


def test_agreement_is_that_of_the_metrics(compared):
    matrix = scpi.get.ranking_agreement(compared, ["x", "y"], group="A", k=2)
    expected = agreement_matrix({"x": [4, 3, 2, -9], "y": [4, 2, 3, 1]}, k=2, absolute=False)
    pd.testing.assert_frame_equal(matrix, expected)
    assert matrix.loc["x", "y"] == 0.5
    # g3 is on top of x by size
    absolute = scpi.get.ranking_agreement(compared, ["x", "y"], group="A", k=1, absolute=True)
    assert absolute.loc["x", "y"] == 0
    rbo = scpi.get.ranking_agreement(compared, ["x", "y"], group="B", metric="rank_biased_overlap", p=0.5)
    assert rbo.loc["x", "y"] == pytest.approx(0.5 * (0 + 0 + 0.25 * 2 / 3 + 0.125) + 0.0625)


def test_agreement_is_the_mean_of_the_groups_that_all_have(compared):
    matrix = scpi.get.ranking_agreement(compared, {"first": "x", "second": "z"}, k=2)
    assert matrix.index.tolist() == ["first", "second"]
    assert matrix.loc["first", "second"] == (0.5 + 0) / 2
    p = scpi.get.ranking_agreement(compared, ["x", "z"], k=2, group="B", metric="overlap_log_pval")
    assert p.loc["x", "z"] == overlap_log_pval(0, 2, 2, n_genes=4)


def test_all_rankings_are_compared(compared):
    compared.uns["pca"] = {"params": {}, "names": ["PC1"]}
    del compared.uns["rank_genes_groups"]
    assert scpi.get.ranking_agreement(compared, k=2).index.tolist() == ["x", "y", "z"]


def test_a_ranking_by_size_is_compared_by_size(compared):
    write_ranking(compared, "size", ranking([[1, 2, -3, -4]], params={"rankby_abs": True}))
    write_ranking(compared, "value", ranking([[1, 2, -3, -4]]))
    matrix = scpi.get.ranking_agreement(compared, ["size", "value"], group="A", k=2)
    assert matrix.loc["size", "value"] == 0
    same = scpi.get.ranking_agreement(compared, ["size", "value"], group="A", k=2, absolute=False)
    assert same.loc["size", "value"] == 1


# --- errors


@pytest.mark.parametrize("getter", ["de_df", "signed_logp"])
def test_what_is_missing_is_said(adata, getter):
    get = getattr(scpi.get, getter)
    with pytest.raises(KeyError, match="Call `scpi.de.rank_genes`"):
        get(adata, key="other")
    with pytest.raises(ValueError, match="not tested: 'Z'. Tested were 'A', 'B'"):
        get(adata, group=["A", "Z"])


def test_rankings_that_cannot_be_compared(compared):
    for keys in (["x"], "x", ["x", "x"]):
        with pytest.raises(ValueError, match="at least two keys"):
            scpi.get.ranking_agreement(compared, keys)
    with pytest.raises(KeyError, match="0 ranking"):
        scpi.get.ranking_agreement(ad.AnnData(np.ones((1, 1), dtype=np.float32)))
    with pytest.raises(ValueError, match="choose one `group`"):
        scpi.get.ranking_agreement(compared, ["x", "y"], metric="overlap_log_pval")
    with pytest.raises(ValueError, match="not tested: 'C'"):
        scpi.get.ranking_agreement(compared, ["z", "x"], group="C")
    other = ranking([[1, 2, 3, 4]])
    other.groups[0] = "elsewhere"
    write_ranking(compared, "other", other)
    with pytest.raises(ValueError, match="no group in common"):
        scpi.get.ranking_agreement(compared, ["x", "other"])
