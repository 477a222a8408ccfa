from __future__ import annotations

import warnings
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from matplotlib import pyplot as plt

from scpi._ranking import Ranking, fits_fields, read_ranking, store_fractions, write_ranking

PARAMS = {"groupby": "group", "reference": "rest", "method": "t-test", "use_raw": False, "corr_method": "bonferroni"}


def make(groups=("A", "B", "C"), n_genes=30, **params):
    """A ranking in which one group was not tested for two genes, and some p-values underflow."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(len(groups), n_genes)) * 20
    log10_pvals = -np.abs(scores) * 12
    fold = scores / 10 + rng.normal(size=scores.shape)
    for values in (scores, log10_pvals, fold):
        values[0, [3, 7]] = np.nan
    return Ranking(
        groups=np.array(groups, dtype=object),
        genes=np.array([f"g{i}" for i in range(n_genes)], dtype=object),
        scores=scores,
        logfoldchanges=fold,
        log10_pvals=log10_pvals,
        pvals_adj=np.minimum(10.0**log10_pvals * n_genes, 1.0),
        extra={"ave_expr": rng.normal(size=scores.shape)},
        params=PARAMS | params,
    )


@pytest.fixture
def adata():
    rng = np.random.default_rng(1)
    adata = ad.AnnData(
        np.log1p(rng.poisson(1.0, (60, 30))).astype(np.float32), obs={"group": np.repeat(["A", "B", "C"], 20)}
    )
    adata.var_names = [f"g{i}" for i in range(30)]
    adata.obs["group"] = adata.obs["group"].astype("category")
    return adata


def assert_same(read, written):
    assert read.groups.tolist() == [str(group) for group in written.groups]
    assert read.genes.tolist() == written.genes.tolist()
    for name, rtol in (("scores", 1e-6), ("logfoldchanges", 1e-6), ("log10_pvals", 0), ("pvals_adj", 0)):
        np.testing.assert_allclose(getattr(read, name), getattr(written, name), rtol=rtol, err_msg=name)
    assert set(read.extra) == set(written.extra)
    for name, values in written.extra.items():
        np.testing.assert_allclose(read.extra[name], values, rtol=0)
    assert dict(read.params) == dict(written.params)


def through_a_file(adata, kind, tmp_path):
    path = tmp_path / f"data.{kind}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata on versions of zarr
        getattr(adata, f"write_{kind}")(path)
        return getattr(ad, f"read_{kind}")(path)


# --- there and back

MANY = tuple(f"perturbation of the gene number {i:04d}" for i in range(1500))


@pytest.mark.parametrize("kind", ["memory", "h5ad", "zarr"])
@pytest.mark.parametrize(
    "groups", [("A", "B", "C"), ("CD4/CD8", "B cell, IFN β", "x.y"), (0, 1, 2.5), ("A", ""), MANY], ids=len
)
def test_a_ranking_comes_back(adata, kind, groups, tmp_path):
    ranking = make(groups)
    write_ranking(adata, "key", ranking, groups=pd.DataFrame({"group": [str(group) for group in groups]}))
    if kind != "memory":
        adata = through_a_file(adata, kind, tmp_path)
    assert_same(read_ranking(adata, "key"), ranking)
    assert adata.uns["key"]["groups"]["group"].tolist() == [str(group) for group in groups]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.parametrize("names", [("CL:0000084", "b"), ("CD4/CD8", ".."), ("=1", "")])
def test_names_of_every_kind_come_back(adata, names, kind, tmp_path):
    ranking = make(names)
    write_ranking(adata, "key", ranking)
    assert_same(read_ranking(through_a_file(adata, kind, tmp_path), "key"), ranking)


def test_fractions_are_tables_where_groups_can_be_columns():
    fractions, genes = {"pts": np.eye(2), "pts_rest": np.ones((2, 2))}, np.array(["x", "y"], dtype=object)
    results, tables = store_fractions(fractions, ["a", "b:c"], genes)
    assert not results
    assert tables["pts"].loc["x", "a"] == 1
    results, tables = store_fractions(fractions, ["a", "b/c"], genes)
    assert not tables
    assert set(results) == {"fraction", "fraction_rest"}


@pytest.mark.parametrize("width", [7, *(pytest.param(width, marks=pytest.mark.slow) for width in (5, 8, 40, 120))])
def test_as_many_fields_as_a_file_can_hold(width, tmp_path):
    """The largest table that is said to fit can be written, and one a little larger cannot."""

    def write(n):
        table = np.zeros(2, dtype=[(str(i).zfill(width), "f8") for i in range(n)])
        ad.AnnData(np.ones((1, 1), dtype=np.float32), uns={"table": table}).write_h5ad(tmp_path / "data.h5ad")

    names = np.array([str(i).zfill(width) for i in range(1500)], dtype=object)
    most = next(n for n in range(1500, 0, -1) if fits_fields(names[:n]))
    write(most)
    with pytest.raises(ValueError, match="too large"):
        write(int(most * 1.02) + 1)


def test_the_best_gene_comes_first_and_the_untested_last(adata):
    ranking = make()
    write_ranking(adata, "up", ranking)
    write_ranking(adata, "both", make(rankby_abs=True))
    for row, group in enumerate("ABC"):
        up, both = (adata.uns[key]["scores"][group] for key in ("up", "both"))
        n = 28 if group == "A" else 30
        assert np.isnan(up[n:]).all()
        assert (np.diff(up[:n]) <= 0).all()
        assert (np.diff(np.abs(both[:n])) <= 0).all()
        best = ranking.genes[np.nanargmax(ranking.scores[row])]
        assert adata.uns["up"]["names"][group][0] == best


@pytest.mark.parametrize("groups", [("A", "B", "C"), ("A", "", "C")], ids=["records", "matrices"])
def test_an_order_that_is_not_that_of_the_scores_is_kept(adata, groups, tmp_path):
    written = make(groups)
    # The first five genes are last in every group
    places = np.argsort(np.roll(np.arange(30), -5)) * np.ones((3, 1), dtype=int)
    write_ranking(adata, "kept", replace(written, places=places))
    read = read_ranking(through_a_file(adata, "h5ad", tmp_path), "kept")
    assert read.order(np.array([1, 2])).tolist() == [[*range(5, 30), *range(5)]] * 2
    np.testing.assert_allclose(read.scores, written.scores, rtol=1e-6)


def test_genes_of_another_order_or_subset(adata):
    ranking = make()
    write_ranking(adata, "key", ranking)
    turned = adata[:, ::-1].copy()
    np.testing.assert_allclose(read_ranking(turned, "key").log10_pvals, ranking.log10_pvals[:, ::-1])
    # As when all genes were ranked and some are kept: those that are left come first
    kept = adata[:, 10:12].copy()
    read = read_ranking(kept, "key")
    assert read.genes[:2].tolist() == ["g10", "g11"]
    assert set(read.genes) == set(ranking.genes)


# --- scanpy reads what scpi writes


def test_scanpy_lists_it(adata):
    ranking = make()
    write_ranking(adata, "rank_genes_groups", ranking)
    frame = sc.get.rank_genes_groups_df(adata, None)
    assert len(frame) == 90
    one = frame[frame["group"] == "B"].set_index("names").loc[ranking.genes]
    np.testing.assert_allclose(one["scores"], ranking.scores[1], rtol=1e-6)
    np.testing.assert_allclose(one["logfoldchanges"], ranking.logfoldchanges[1], rtol=1e-6)
    np.testing.assert_allclose(one["pvals"], 10.0 ** ranking.log10_pvals[1])
    np.testing.assert_allclose(one["pvals_adj"], ranking.pvals_adj[1])
    strong = sc.get.rank_genes_groups_df(adata, "A", pval_cutoff=1e-3, log2fc_min=0.5)
    assert 0 < len(strong) < 28


@pytest.mark.parametrize("kind", ["memory", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("h5ad", "zarr"))])
def test_scanpy_draws_and_filters_it(adata, kind, tmp_path):
    write_ranking(adata, "rank_genes_groups", make())
    if kind != "memory":
        adata = through_a_file(adata, kind, tmp_path)
    sc.pl.rank_genes_groups(adata, n_genes=5, show=False)
    sc.pl.rank_genes_groups_dotplot(adata, n_genes=2, show=False)
    plt.close("all")
    sc.tl.filter_rank_genes_groups(adata, min_fold_change=0.5, min_in_group_fraction=0, max_out_group_fraction=1.1)
    read = read_ranking(adata, "rank_genes_groups_filtered")
    whole = read_ranking(adata, "rank_genes_groups")
    kept = whole.logfoldchanges > 0.5
    np.testing.assert_array_equal(~np.isnan(read.scores), kept[:, pd.Index(whole.genes).get_indexer(read.genes)])


# --- scpi reads what scanpy writes


@pytest.mark.parametrize("method", ["t-test", "wilcoxon", "logreg"])
@pytest.mark.parametrize("n_genes", [None, 4])
def test_what_scanpy_wrote(adata, method, n_genes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # convergence
        sc.tl.rank_genes_groups(adata, "group", method=method, n_genes=n_genes)
    ranking = read_ranking(adata, "rank_genes_groups")
    assert ranking.groups.tolist() == ["A", "B", "C"]
    frame = sc.get.rank_genes_groups_df(adata, None)
    place = pd.Index(ranking.genes)
    assert np.isfinite(ranking.scores).sum() == len(frame)
    rows, columns = frame["group"].cat.codes, place.get_indexer(frame["names"])
    np.testing.assert_array_equal(ranking.scores[rows, columns], frame["scores"])
    if method == "logreg":
        assert np.isnan(ranking.log10_pvals).all()
        return
    np.testing.assert_allclose(ranking.pvals[rows, columns], frame["pvals"], rtol=1e-12)
    np.testing.assert_array_equal(ranking.logfoldchanges[rows, columns], frame["logfoldchanges"])
    np.testing.assert_array_equal(ranking.pvals_adj[rows, columns], frame["pvals_adj"])


def test_genes_of_raw(adata):
    adata.raw = adata
    less = adata[:, :5].copy()
    sc.tl.rank_genes_groups(less, "group", use_raw=True)
    ranking = read_ranking(less, "rank_genes_groups")
    assert ranking.genes[:5].tolist() == [f"g{i}" for i in range(5)]
    assert len(ranking.genes) == 30


# --- errors


def test_names_must_be_unique(adata):
    ranking = make()
    ranking.genes[[4, 5]] = "MATR3"
    with pytest.raises(ValueError, match="genes occur more than once: 'MATR3'. Call `adata.var_names_make_unique"):
        write_ranking(adata, "key", ranking)
    with pytest.raises(ValueError, match="groups occur more than once: '1'"):
        write_ranking(adata, "key", make((1, "1")))
    assert "key" not in adata.uns
    write_ranking(adata, "key", make())
    adata.uns["key"]["names"]["B"][1] = adata.uns["key"]["names"]["B"][0]
    with pytest.raises(ValueError, match="Group 'B' cannot be read"):
        read_ranking(adata, "key")


@pytest.mark.parametrize("value", [None, {"params": {}}, pd.DataFrame({"names": [1]}), "text"])
def test_what_is_no_ranking(adata, value):
    if value is not None:
        adata.uns["key"] = value
    with pytest.raises(KeyError, match="no ranking of genes under 'key'"):
        read_ranking(adata, "key")
