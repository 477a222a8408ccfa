from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from mudata import MuData
from scipy import sparse

import scpi
from scpi import de
from scpi._ranking import read_ranking
from scpi.de._ebayes import MAX_JOINT

INTERFERON = ["ISG15", "IFI6", "IFIT1", "IFIT3", "MX1", "ISG20", "LY6E"]


def simulate(n_genes=250, seed=0):
    """Samples of four conditions in two tissues and three plates; g0 to g9 go up in A, g10 to g19 down in B."""
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        [
            (tissue, group, plate)
            for tissue in ("liver", "lung")
            for group in ("ctrl", "A", "B", "C")
            for plate in "xyz"
        ],
        columns=["tissue", "group", "plate"],
    )
    obs["age"] = rng.normal(50.0, 9.0, len(obs))
    obs.index = [f"s{i}" for i in range(len(obs))]
    mean = np.tile(rng.gamma(2.0, 60.0, n_genes), (len(obs), 1))
    mean[obs["group"] == "A", :10] *= 4.0
    mean[obs["group"] == "B", 10:20] /= 4.0
    mean[obs["plate"] == "y", 20:60] *= 2.0
    mean[obs["tissue"] == "lung", 60:120] *= 3.0
    mean *= rng.lognormal(0.0, 0.2, (len(obs), 1))
    counts = rng.poisson(rng.gamma(20.0, mean / 20.0))
    return ad.AnnData(counts.astype(np.float32), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))


@pytest.fixture
def adata():
    return simulate()


def run(adata, **options):
    options.setdefault("reference", "ctrl")
    de.limma(adata, "group", **options)
    return read_ranking(adata, options.get("key_added", "limma"))


def by_hand(adata, design, matrix, **options):
    """The steps one by one, on all genes."""
    counts = adata.X
    trend = de.voom(counts, design, norm_factors=de.norm_factors(counts))
    fit = de.lm_fit(trend.expression, design, weights=trend.weights)
    return de.ebayes(de.contrasts(fit, matrix, standard_error=options.pop("standard_error", "limma")), **options)


def dummies(*columns):
    return pd.concat(
        [
            pd.get_dummies(columns[0], dtype=float),
            *(pd.get_dummies(c, dtype=float, drop_first=True) for c in columns[1:]),
        ],
        axis=1,
    )


def against(*groups, reference="ctrl"):
    matrix = pd.DataFrame(0.0, index=[*groups, reference], columns=groups)
    matrix.loc[list(groups)] = np.eye(len(groups))
    matrix.loc[reference] = -1.0
    return matrix


def same(ranking, rows, expected, columns=slice(None)):
    np.testing.assert_allclose(ranking.scores[rows, columns], expected.t, rtol=1e-5)
    np.testing.assert_allclose(ranking.logfoldchanges[rows, columns], expected.coefficients, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ranking.log10_pvals[rows, columns], expected.log_pval / np.log(10), rtol=1e-9)
    np.testing.assert_allclose(ranking.extra["lods"][rows, columns], expected.lods, rtol=1e-9)
    np.testing.assert_allclose(ranking.extra["std_error"][rows, columns], expected.std_error, rtol=1e-9)


# --- one model


@pytest.mark.parametrize("options", [{}, {"robust": True}, {"trend": True}, {"standard_error": "exact"}])
def test_the_steps_are_those_of_limma(adata, options):
    ranking = run(adata, covariates=["plate", "age"], filter_genes=False, **options)
    design = dummies(adata.obs["group"], adata.obs["plate"]).join(adata.obs["age"])
    expected = by_hand(adata, design, against("A", "B", "C"), **options)
    assert ranking.groups.tolist() == ["A", "B", "C"]
    same(ranking, slice(None), expected)
    for row, group in enumerate("ABC"):
        interval = de.top_table(expected, group, sort_by="none")
        np.testing.assert_allclose(ranking.extra["ci_low"][row], interval["ci_low"], atol=1e-6)
        np.testing.assert_allclose(ranking.extra["ci_high"][row], interval["ci_high"], atol=1e-6)
    table = adata.uns["limma"]["F"]
    np.testing.assert_allclose(table["F"], expected.f)
    np.testing.assert_allclose(table["log10_pval"], expected.f_log_pval / np.log(10))
    groups = adata.uns["limma"]["groups"]
    assert groups["n_samples"].tolist() == [6, 6, 6] and (groups["n_reference"] == 6).all()
    assert (groups["df_residual"] == 24 - 7).all()


def test_planted_changes_come_first(adata):
    run(adata, covariates=["plate", "tissue"], groups=["A", "B"])
    names = adata.uns["limma"]["names"]
    assert set(names["A"][:10]) == {f"g{i}" for i in range(10)}
    assert set(names["B"][-10:]) == {f"g{i}" for i in range(10, 20)}
    frame = sc.get.rank_genes_groups_df(adata, "A", key="limma")
    assert frame["logfoldchanges"][:10].between(1.5, 2.5).all()
    assert (frame["pvals_adj"][:10] < 1e-3).all() and (frame["pvals_adj"][10:] < 0.05).mean() < 0.05
    low, high = (adata.uns["limma"][name]["A"][:10] for name in ("ci_low", "ci_high"))
    assert ((low < 2.0) & (high > 2.0)).mean() > 0.7


def test_covariates_with_one_value_change_nothing(adata):
    without = run(adata)
    adata.obs["lab"], adata.obs["run"] = "one", 1.0
    np.testing.assert_array_equal(run(adata, covariates=["lab", "run"]).scores, without.scores)


def test_other_groups_tell_of_the_variance(adata):
    np.testing.assert_array_equal(run(adata, groups=["B"]).scores[0], run(adata).scores[1])


def test_genes_without_enough_counts_are_not_tested(adata):
    adata.X[:, 5] = 0
    adata.X[:, 6] = np.arange(24) < 2
    ranking = run(adata)
    assert np.isnan(ranking.scores[:, [5, 6]]).all() and np.isfinite(np.delete(ranking.scores, [5, 6], axis=1)).all()
    assert adata.uns["limma"]["groups"]["n_genes"].tolist() == [248] * 3
    ranking = run(adata, filter_genes=False)
    assert np.isnan(ranking.scores[:, 5]).all() and np.isfinite(ranking.scores[:, 6]).all()


def test_one_family_of_tests(adata):
    each, together = run(adata), run(adata, corr_scope="all")
    pval = 10.0**each.log10_pvals
    np.testing.assert_allclose(together.pvals_adj, de.false_discovery_control(pval, axis=None))
    np.testing.assert_allclose(each.pvals_adj, de.false_discovery_control(pval))


# --- formulas


def test_a_formula_is_the_same_model(adata):
    listed = run(adata, covariates=["plate", "age"])
    for formula in ("~ group + plate + age", "~ 0 + plate + group + age"):
        ranking = run(adata, formula=formula)
        assert ranking.groups.tolist() == listed.groups.tolist()
        np.testing.assert_allclose(ranking.logfoldchanges, listed.logfoldchanges, atol=1e-5)
    # limma's standard error depends on the coding, the exact one does not
    exact = run(adata, covariates=["plate", "age"], standard_error="exact")
    np.testing.assert_allclose(
        run(adata, formula="~ age + group + plate", standard_error="exact").scores, exact.scores, rtol=1e-4
    )


def test_an_interaction_is_averaged_over_the_samples(adata):
    with pytest.warns(UserWarning, match="the effect of 'group' depends on 'age'.* coef='group:age'"):
        ranking = run(adata, formula="~ group * age", filter_genes=False)
    groups = pd.get_dummies(adata.obs["group"], dtype=float)
    design = groups.join(groups.mul(adata.obs["age"], axis=0).add_suffix(" age"))
    mean = adata.obs["age"].mean()
    matrix = pd.DataFrame({"B": [1.0, -1.0, mean, -mean]}, index=["B", "ctrl", "B age", "ctrl age"])
    expected = by_hand(adata, design, matrix, standard_error="exact")
    np.testing.assert_allclose(ranking.logfoldchanges[1], expected.coefficients[0], atol=1e-5)
    with pytest.warns(UserWarning, match="averages over the samples"):
        same(run(adata, formula="~ group * age", filter_genes=False, standard_error="exact"), [1], expected)


def test_splines_of_a_covariate_keep_their_knots(adata):
    ranking = run(adata, formula="~ group + bs(age, df=4) + tissue")
    assert np.isfinite(ranking.scores).all()


@pytest.mark.parametrize(
    ("formula", "error", "message"),
    [
        ("~ plate", ValueError, "without 'group'"),
        ("~ group + well", KeyError, "`formula` names 'well'"),
        ("y ~ group", ValueError, "describes the design only"),
        ("~ group +", ValueError, "cannot be read"),
        (
            "~ group + plate + plate:tissue + C(tissue, contr.treatment) + I(age) + I(2 * age)",
            ValueError,
            "not of full rank",
        ),
    ],
)
def test_formulas_that_do_not_work(adata, formula, error, message):
    with pytest.raises(error, match=message):
        run(adata, formula=formula)
    assert "limma" not in adata.uns


# --- splits


def test_each_split_has_its_model(adata):
    ranking = run(adata, covariates=["plate"], split_by="tissue")
    assert ranking.groups.tolist() == [f"{tissue} | {group}" for tissue in ("liver", "lung") for group in "ABC"]
    for rows, tissue in ((slice(0, 3), "liver"), (slice(3, 6), "lung")):
        alone = adata[adata.obs["tissue"] == tissue].copy()
        np.testing.assert_array_equal(ranking.scores[rows], run(alone, covariates=["plate"]).scores)
    groups = adata.uns["limma"]["groups"]
    assert groups["split"].tolist() == ["liver"] * 3 + ["lung"] * 3
    assert groups["label"].tolist() == ["A", "B", "C"] * 2
    assert set(adata.uns["limma"]["voom"]["split"]) == {"liver", "lung"} == set(adata.uns["limma"]["F"]["split"])
    assert adata.uns["limma"]["params"]["split_by"] == "tissue"


def test_a_joint_model(adata):
    ranking = run(adata, covariates=["plate"], split_by="tissue", joint=True, filter_genes=False)
    cell = adata.obs["tissue"].astype(str) + " | " + adata.obs["group"].astype(str)
    for rows, tissue in ((slice(0, 3), "liver"), (slice(3, 6), "lung")):
        matrix = against(*(f"{tissue} | {group}" for group in "ABC"), reference=f"{tissue} | ctrl")
        expected = by_hand(adata, dummies(cell, adata.obs["plate"]), matrix)
        same(ranking, rows, expected)
        table = adata.uns["limma"]["F"]
        np.testing.assert_allclose(table.loc[table["split"] == tissue, "F"], expected.f)
    assert set(adata.uns["limma"]["voom"]["split"]) == {"all"}
    formula = run(adata, formula="~ tissue * group + plate", split_by="tissue", joint=True, filter_genes=False)
    np.testing.assert_allclose(formula.logfoldchanges, ranking.logfoldchanges, atol=1e-5)
    with pytest.raises(ValueError, match="without 'tissue'"):
        run(adata, formula="~ group", split_by="tissue", joint=True)


def test_a_split_without_a_comparison_is_left_out(adata):
    keep = ~((adata.obs["tissue"] == "lung") & adata.obs["group"].isin(["ctrl"]))
    small = adata[keep].copy()
    with pytest.warns(UserWarning, match=r"Left out 'lung' of 'tissue'. No group can be compared with 'ctrl'"):
        assert run(small, split_by="tissue").groups.tolist() == ["liver | A", "liver | B", "liver | C"]
    with pytest.warns(UserWarning, match="Not tested, as group or reference has no samples there: 'any group in lung'"):
        assert len(run(small, split_by="tissue", joint=True).groups) == 3
    keep = (adata.obs["tissue"] == "liver") | ((adata.obs["plate"] == "x") & adata.obs["group"].isin(["ctrl", "A"]))
    with pytest.warns(UserWarning, match=r"Left out 'lung' of 'tissue'. There are no residual degrees of freedom: 2"):
        assert len(run(adata[keep].copy(), split_by="tissue").groups) == 3
    keep = (adata.obs["tissue"] == "liver") | (adata.obs["group"] != "B")
    with pytest.warns(UserWarning, match="no samples there: 'B in lung'"):
        assert len(run(adata[keep].copy(), split_by="tissue").groups) == 5


@pytest.mark.filterwarnings("ignore:Left out")
def test_an_error_if_no_split_is_left(adata):
    with pytest.raises(ValueError, match="In no 'tissue' can a group be compared with 'ctrl'"):
        run(adata[adata.obs["plate"] == "x"].copy(), split_by="tissue")


# --- from cells


@pytest.fixture
def cells():
    """Cells of six donors under two conditions."""
    rng = np.random.default_rng(0)
    n = 1200
    obs = pd.DataFrame(
        {
            "donor": rng.choice([f"d{i}" for i in range(6)], n),
            "group": rng.choice(["ctrl", "stim"], n),
            "kind": rng.choice(["T", "B"], n, p=[0.8, 0.2]),
        },
        index=[f"c{i}" for i in range(n)],
    )
    obs["sex"] = obs["donor"].map(dict(zip([f"d{i}" for i in range(6)], "fmfmfm", strict=True)))
    obs["quality"] = rng.normal(size=n)
    effect = rng.lognormal(0.0, 0.3, (6, 80))
    mean = rng.gamma(1.0, 1.0, 80) * effect[obs["donor"].str[1].astype(int)]
    mean[obs["group"] == "stim", :4] *= 3.0
    return ad.AnnData(
        sparse.csr_matrix(rng.poisson(mean).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(index=[f"g{i}" for i in range(80)]),
    )


def test_cells_are_summed(cells):
    ranking = run(cells, sample_key="donor", covariates=["donor"], split_by="kind")
    samples = de.pseudobulk(cells, sample_key="donor", groupby=["group", "kind"])
    np.testing.assert_array_equal(ranking.scores, run(samples, covariates=["donor"], split_by="kind").scores)
    assert set(cells.uns["limma"]["names"]["T | stim"][:4]) == {"g0", "g1", "g2", "g3"}


def test_a_paired_design_removes_the_donors(cells):
    paired, unpaired = run(cells, sample_key="donor", covariates=["donor"]), run(cells, sample_key="donor")
    assert np.nanmedian(paired.extra["std_error"]) < 0.6 * np.nanmedian(unpaired.extra["std_error"])


def test_groups_without_a_sample_of_enough_cells_are_named(cells):
    labels = cells.obs["group"].to_numpy().copy()
    labels[np.flatnonzero(labels == "stim")[:9]] = "rare"
    cells.obs["group"] = labels
    with pytest.warns(
        UserWarning, match=r"Not tested. These groups have no sample of 10 cells or more \(`min_cells`\): 'rare'"
    ):
        assert run(cells, sample_key="donor").groups.tolist() == ["stim"]
    with pytest.raises(ValueError, match="no sample of 10 cells or more .*: 'rare'"):
        run(cells, sample_key="donor", groups=["rare", "stim"])
    with pytest.raises(ValueError, match="The reference 'rare' has no sample of 10 cells"):
        run(cells, sample_key="donor", reference="rare")


def test_covariates_have_to_be_those_of_samples(cells):
    with pytest.raises(
        ValueError, match="same in all cells of a sample, but 'quality' differ within samples of 'donor'"
    ):
        run(cells, sample_key="donor", covariates=["quality"])
    with pytest.raises(ValueError, match="not of full rank: 'donor="):
        run(cells, sample_key="donor", covariates=["sex", "donor"])
    cells.obs["sex"] = cells.obs["sex"].where(cells.obs["donor"] != "d2")
    with pytest.raises(ValueError, match="missing values: 'sex'"):
        run(cells, sample_key="donor", covariates=["sex"])


def test_cells_that_are_taken_for_samples(cells):
    cells.X = cells.X.multiply(cells.X > 3).tocsr()
    with pytest.warns(UserWarning, match="Every row counts as a sample, but 9.% of the counts are zero"):
        run(cells[np.asarray(cells.X.sum(axis=1)).ravel() > 20].copy(), filter_genes=False)


def test_interferon_genes_come_first_in_every_cell_type(test_data):
    adata = ad.read_h5ad(test_data("kang_muscat.h5ad"))
    de.limma(adata, "condition", reference="ctrl", sample_key="donor", split_by="cell_type")
    groups = adata.uns["limma"]["groups"]
    assert len(groups) == 5 and (groups["n_samples"] == 2).all()
    for group, n_genes in zip(groups["group"], groups["n_genes"], strict=True):
        table = sc.get.rank_genes_groups_df(adata, group, key="limma").set_index("names")
        ranks = pd.Series(np.arange(1, len(table) + 1), index=table.index)[INTERFERON]
        assert ranks.max() <= 0.05 * n_genes, (group, ranks.to_dict())
        assert ranks.median() <= 25
        assert (table.loc[INTERFERON, "pvals_adj"] < 0.01).all()
        assert (table.loc[INTERFERON, "logfoldchanges"] > 2).all()


# --- what scanpy and the getters make of results


def test_filters_and_figures_of_scanpy_find_groups_within_splits(cells):
    run(cells, sample_key="donor", split_by="kind", filter_genes=False)
    labels = cells.obs["kind"] + " | " + cells.obs["group"]
    assert cells.obs["limma_group"].astype(str).tolist() == labels.tolist()
    assert (
        cells.uns["limma"]["params"]["groupby"] == "limma_group" and cells.uns["limma"]["params"]["labels"] == "group"
    )
    sc.tl.filter_rank_genes_groups(
        cells,
        key="limma",
        key_added="filtered",
        min_in_group_fraction=0.3,
        max_out_group_fraction=1.01,
        min_fold_change=1,
    )
    kept = pd.DataFrame(cells.uns["filtered"]["names"])["T | stim"].dropna()
    assert {"g0", "g1", "g2", "g3"} >= set(kept) and len(kept)
    sc.pl.rank_genes_groups_dotplot(cells, key="limma", n_genes=2, show=False, dendrogram=False)
    scpi.de.rank_genes(
        cells, "group", method="edger", reference="ctrl", sample_key="donor", split_by="kind", key_added="edger"
    )
    assert cells.uns["edger"]["params"]["groupby"] == "edger_group"
    assert cells.obs["edger_group"].tolist() == labels.tolist()


def test_filters_of_scanpy_take_groups(cells):
    run(cells, sample_key="donor")
    sc.tl.filter_rank_genes_groups(
        cells, key="limma", key_added="filtered", min_fold_change=1, max_out_group_fraction=1.01
    )
    assert set(pd.DataFrame(cells.uns["filtered"]["names"])["stim"].dropna()) <= {"g0", "g1", "g2", "g3"}


def test_getters_of_many_contrasts(adata, tmp_path):
    run(adata, contrasts=["A - ctrl", "(B + C) / 2 - ctrl"], reference=None, split_by="tissue")
    table = scpi.get.de_df(adata, key="limma", group="lung | (B + C) / 2 - ctrl", top_n=3)
    assert len(table) == 3 and table["group"].nunique() == 1
    changes = scpi.get.signed_logp(adata, key="limma")
    assert changes.shape == (4, 250)
    assert changes.obs["contrast"].tolist() == ["A - ctrl", "(B + C) / 2 - ctrl"] * 2
    assert changes.obs["split"].tolist() == ["liver"] * 2 + ["lung"] * 2
    adata.write_h5ad(tmp_path / "a.h5ad")
    again = scpi.get.de_df(ad.read_h5ad(tmp_path / "a.h5ad"), key="limma")
    pd.testing.assert_frame_equal(again, scpi.get.de_df(adata, key="limma"))
    assert len(sc.get.rank_genes_groups_df(adata, "liver | A - ctrl", key="limma")) == 250


# --- what may be wrong


def test_unknown_names(adata):
    with pytest.raises(
        ValueError, match=r"must be a group of `obs\['group'\]`, 'A', 'B', 'C', 'ctrl', several .* but is 'DMSO'"
    ):
        run(adata, reference="DMSO")
    with pytest.raises(ValueError, match="`groups` has 'Z' that is no label"):
        run(adata, groups=["A", "Z"])
    with pytest.raises(ValueError, match="`groups` is empty"):
        run(adata, groups=[])
    with pytest.raises(ValueError, match="the reference 'ctrl' itself"):
        run(adata, groups=["ctrl"])
    with pytest.raises(KeyError, match="no column 'condition'"):
        de.limma(adata, "condition", reference="ctrl")
    with pytest.raises(KeyError, match="`covariates` names 'well'"):
        run(adata, covariates=["well"])
    with pytest.raises(ValueError, match="`standard_error` must be one of"):
        run(adata, standard_error="other")
    with pytest.raises(ValueError, match="give one of the two"):
        run(adata, covariates=["plate"], formula="~ group")
    with pytest.raises(ValueError, match="`joint` is about the splits"):
        run(adata, joint=True)
    with pytest.raises(ValueError, match="no group other than the reference"):
        run(adata[adata.obs["group"] == "ctrl"].copy())
    adata.var_names = ["g"] * 250
    with pytest.raises(ValueError, match="Gene names must be unique"):
        run(adata)
    assert "limma" not in adata.uns


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.log1p, "looks like log-normalised data.*layer='counts'"),
        (lambda x: -x, "negative"),
        (lambda x: x * 20.7, "fractional"),
        (lambda x: np.where(x > 100, np.nan, x), "missing or infinite"),
    ],
)
def test_counts_are_needed(adata, change, message):
    adata.layers["wrong"] = change(adata.X)
    with pytest.raises(ValueError, match=message):
        run(adata, layer="wrong")


def test_a_group_of_one_sample(adata):
    few = adata[(adata.obs["group"] != "A") | (adata.obs_names == "s3")].copy()
    ranking = run(few)
    assert set(few.uns["limma"]["names"]["A"][:10]) == {f"g{i}" for i in range(10)}
    assert few.uns["limma"]["groups"]["n_samples"].tolist() == [1, 6, 6]
    # The variance of a difference is 1 + 1/6 in place of 1/6 + 1/6 times that of a sample
    ratio = ranking.extra["std_error"][0] / ranking.extra["std_error"][1]
    assert np.median(ratio) == pytest.approx(np.sqrt(7 / 2), rel=0.1)
    with pytest.raises(ValueError, match="no residual degrees of freedom"):
        run(adata[["s0", "s3"]].copy())


@pytest.mark.filterwarnings("ignore:Every row counts as a sample")
def test_no_gene_is_left(adata):
    adata.X[:] = np.eye(24, 250)
    with pytest.raises(ValueError, match="0 of 250 genes have enough counts to be tested"):
        run(adata)
    adata.X[:] = 0
    with pytest.raises(ValueError, match="0 of 250 genes have any counts"):
        run(adata, filter_genes=False)


def test_a_sample_without_counts(adata):
    adata.X[3] = 0
    with pytest.raises(ValueError, match=r"1 sample\(s\) have no counts"):
        run(adata)


@pytest.mark.parametrize("n", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_groups(n):
    rng = np.random.default_rng(0)
    labels = np.r_[["ctrl"] * 20, [f"p{i}" for i in range(n)]]
    counts = rng.poisson(rng.gamma(20.0, 5.0, (n + 20, 12)))
    counts[25, 3] *= 50
    obs = pd.DataFrame(
        {"group": labels, "plate": rng.choice(["x", "y"], n + 20)}, index=[f"s{i}" for i in range(n + 20)]
    )
    adata = ad.AnnData(counts.astype(np.float32), obs=obs)
    de.limma(adata, "group", reference="ctrl", covariates=["plate"])
    ranking = read_ranking(adata, "limma")
    assert ranking.scores.shape == (n, 12)
    best = np.unravel_index(np.nanargmax(ranking.scores), ranking.scores.shape)
    assert (ranking.groups[best[0]], best[1]) == ("p5", 3)
    # The correlation matrix of that many contrasts is not needed
    assert (n > MAX_JOINT) == (n == 10_000)
    assert np.isfinite(adata.uns["limma"]["F"]["F"]).all()


# --- where results are kept


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_results_survive_a_file(adata, tmp_path, kind):
    run(adata, formula="~ group + plate", split_by="tissue")
    path = tmp_path / f"a.{kind}"
    getattr(adata, f"write_{kind}")(path)
    again = getattr(ad, f"read_{kind}")(path)
    stored, kept = adata.uns["limma"], again.uns["limma"]
    assert stored.keys() == kept.keys()
    for name in ("names", "scores", "log10_pvals", "lods", "ci_low"):
        for field in stored[name].dtype.names:
            np.testing.assert_array_equal(stored[name][field], kept[name][field])
    for name in ("groups", "voom", "F"):
        pd.testing.assert_frame_equal(
            stored[name].astype({"split": str}).reset_index(drop=True),
            kept[name].astype({"split": str}).reset_index(drop=True),
            check_dtype=False,
        )
    assert kept["params"]["formula"] == "~ group + plate"
    assert len(sc.get.rank_genes_groups_df(again, "lung | A", key="limma")) == 250
    assert set(scpi.get.de_df(again, key="limma")["group"]) == set(stored["groups"]["group"])


def test_a_copy_leaves_the_input_alone(adata):
    result = de.limma(adata, "group", reference="ctrl", copy=True, key_added="mine")
    assert "mine" in result.uns and not adata.uns


def test_a_modality(adata):
    mdata = MuData({"rna": adata})
    assert de.limma(mdata, "group", reference="ctrl", mod="rna") is None
    assert "limma" in mdata["rna"].uns


# --- what a formula names


def test_a_column_with_a_dot_is_a_covariate(adata):
    expected = run(adata, formula="~ group + plate").scores
    adata.obs["orig.ident"] = adata.obs["plate"]
    for formula in ("~ group + orig.ident", "~ group + `orig.ident`"):
        np.testing.assert_array_equal(run(adata, formula=formula).scores, expected)
    adata.obs["my plate"] = adata.obs["plate"]
    np.testing.assert_array_equal(run(adata, formula="~ group + `my plate`").scores, expected)
    with pytest.raises(KeyError, match="`formula` names 'batch'"):
        run(adata, formula="~ group + batch.number")


def test_an_error_of_a_formula_is_plain_text(adata):
    with pytest.raises(ValueError, match="cannot be read") as error:
        run(adata, formula="~ group + (plate")
    assert "\x1b" not in str(error.value)


def test_groups_that_are_numbers(adata):
    expected = run(adata, reference="ctrl").scores
    adata.obs["code"] = adata.obs["group"].map({"ctrl": 0, "A": 1, "B": 2, "C": 3}).astype(int)
    de.limma(adata, "code", reference=0, groups=[1, 2, 3])
    assert adata.uns["limma"]["groups"]["label"].tolist() == ["1", "2", "3"]
    assert adata.uns["limma"]["params"]["reference"] == "0"
    np.testing.assert_array_equal(
        np.sort(adata.uns["limma"]["scores"]["1"])[::-1], np.sort(expected[0].astype("f4"))[::-1]
    )


def test_combinations_in_both_orders_are_one_group(adata):
    labels = adata.obs["group"].astype(str).to_numpy(dtype=object)
    adata.obs["perturbation"] = np.where(labels == "A", "X+Y", labels)
    de.limma(adata, "perturbation", reference="ctrl")
    expected = adata.uns["limma"]["scores"]["X+Y"]
    first = np.flatnonzero(labels == "A")[0]
    written = adata.obs["perturbation"].to_numpy(dtype=object).copy()
    written[first] = "Y + X"
    adata.obs["perturbation"] = written
    with pytest.warns(UserWarning, match=r"'X\+Y', 'Y \+ X' as 'X\+Y'"):
        de.limma(adata, "perturbation", reference="ctrl", groups="Y+X")
    assert adata.uns["limma"]["names"].dtype.names == ("X+Y",)
    np.testing.assert_array_equal(adata.uns["limma"]["scores"]["X+Y"], expected)


def null_pairs(n_donors, n_genes=1000):
    """Pairs of samples in six tissues; no gene differs between groups, and genes vary unequally."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        [(f"t{t}", group, f"d{d}") for t in range(6) for d in range(n_donors) for group in ("ctrl", "stim")],
        columns=["tissue", "group", "donor"],
        index=[f"s{i}" for i in range(12 * n_donors)],
    )
    mean, dispersion = rng.lognormal(4.0, 1.2, n_genes), rng.lognormal(-5.0, 1.2, n_genes)
    counts = rng.poisson(rng.gamma(1.0 / dispersion, mean * dispersion, (len(obs), n_genes)))
    return ad.AnnData(counts.astype(np.float32), obs=obs)


def test_p_values_from_few_residuals_and_a_strong_prior_are_warned_of(recwarn):
    two = null_pairs(2)
    found = run(two, covariates=["donor"], split_by="tissue", key_added="two")
    table = two.uns["two"]["groups"]
    doubtful = (table["df_residual"] == 1) & (table["df_prior"] > 20)
    assert 0 < doubtful.sum() < 6
    [message] = [str(one.message) for one in recwarn if "far too small" in str(one.message)]
    for split, named in zip(table["split"], doubtful, strict=True):
        assert (repr(split) in message) == named
    # The p-values are too small indeed: one test in a thousand should be below 0.001
    pvals = found.pvals[[list(found.groups).index(group) for group in table["group"][doubtful]]]
    assert np.nanmean(pvals < 0.001) > 0.003
    alone = two[two.obs["tissue"] == table["split"][doubtful].iloc[0]].copy()
    with pytest.warns(
        UserWarning, match="The p-values may be far too small. With 3 residual degrees of freedom or fewer"
    ):
        run(alone, covariates=["donor"])
    recwarn.clear()
    five = run(null_pairs(5), covariates=["donor"], split_by="tissue")
    assert not [one for one in recwarn if "far too small" in str(one.message)]
    assert np.nanmean(five.pvals < 0.001) < 0.002
