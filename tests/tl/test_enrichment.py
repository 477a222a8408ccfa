from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi

N_GENES = 200


@pytest.fixture(scope="module")
def once():
    """Samples of two conditions and two cell types; the first set goes up in T cells, the second down in both."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"condition": ["ctrl", "stim"] * 8, "cell_type": np.repeat(["T", "B"], 8)})
    obs["donor"] = [f"d{i // 2}" for i in range(16)]
    rate = np.tile(rng.gamma(2.0, 50.0, N_GENES) + 20.0, (16, 1)) * np.exp(rng.normal(0, 0.1, (16, N_GENES)))
    stim, t_cell = obs["condition"] == "stim", obs["cell_type"] == "T"
    rate[np.ix_(stim & t_cell, range(20))] *= 1.5
    rate[np.ix_(stim, range(20, 40))] /= 1.5
    obs.index = obs.index.astype(str)
    adata = ad.AnnData(rng.poisson(rate).astype(float), obs=obs)
    adata.var_names = [f"g{i}" for i in range(N_GENES)]
    sets = {f"set {i}": adata.var_names[20 * i : 20 * i + 20] for i in range(6)}
    scpi.tl.gene_sets(adata, {**sets, "tiny": adata.var_names[:3], "all": adata.var_names}, min_size=1)
    scpi.de.limma(adata, "condition", reference="ctrl", split_by="cell_type", covariates="donor")
    return adata


@pytest.fixture
def adata(once):
    return once.copy()


@pytest.mark.parametrize("method", ["camera", "fry", "roast", "ora"])
def test_sets_that_change_are_found(adata, method):
    scpi.tl.enrichment(adata, method=method)
    frame = scpi.get.enrichment(adata, pval_cutoff=0.01)
    found = set(zip(frame["group"], frame["set"], frame["direction"], strict=True))
    assert {("T | stim", "set 0", "up"), ("T | stim", "set 1", "down"), ("B | stim", "set 1", "down")} <= found
    assert ("B | stim", "set 0", "up") not in found
    everything = scpi.get.enrichment(adata)
    assert set(everything["set"]) == {f"set {i}" for i in range(6)}
    assert (np.sign(everything["score"]) * np.where(everything["direction"] == "up", 1, -1) >= 0).all()
    first = frame.set_index(["group", "set"]).loc[("T | stim", "set 0")]
    assert first["log2fc"] == pytest.approx(np.log2(1.5), abs=0.1)
    assert set(first["genes"].split(";")) <= set(adata.var_names[:20])
    assert adata.uns["enrichment"]["params"]["method"] == method


def test_the_design_is_that_of_the_result(adata):
    scpi.tl.enrichment(adata, groups="T | stim")
    part = adata[adata.obs["cell_type"] == "T"].copy()
    design = pd.get_dummies(part.obs[["donor"]], dtype=float)
    design["stim"] = (part.obs["condition"] == "stim").astype(float)
    scale = scpi.de.norm_factors(part.X)
    trend = scpi.de.voom(part.X, design, norm_factors=scale)
    sets = adata.varm["gene_sets"].toarray()[:, :6]
    expected = scpi.de.camera(trend.expression, design, sets, contrast="stim", weights=trend.weights)
    frame = scpi.get.enrichment(adata).sort_values("set")
    np.testing.assert_allclose(frame["pval"], expected["pval"], rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"block": "donor", "covariates": ()},
        {"sample_weights": True},
        {"method": "trend", "robust": True},
        {"reference": None, "contrasts": {"half": {"stim": 0.5, "ctrl": -0.5}, "other": "ctrl - stim"}},
        {"reference": None, "contrasts": "pairs"},
        {
            "split_by": None,
            "groupby": None,
            "reference": None,
            "formula": "~ condition + cell_type",
            "coef": "condition",
        },
    ],
)
def test_every_design_can_be_fitted_again(adata, options):
    call = {"groupby": "condition", "reference": "ctrl", "split_by": "cell_type"} | options
    if "formula" not in call and "block" not in call:
        call |= {"covariates": "donor"}
    scpi.de.limma(adata, **call)
    scpi.tl.enrichment(adata, method="fry")
    frame = scpi.get.enrichment(adata)
    assert frame["group"].nunique() == len(adata.uns["limma"]["groups"])
    assert (frame.groupby("group", observed=True)["pval"].min() < 1e-3).all()


def test_contrasts_have_opposite_directions(adata):
    scpi.de.limma(adata, "condition", contrasts=["stim - ctrl", "ctrl - stim"], split_by="cell_type")
    scpi.tl.enrichment(adata)
    frame = scpi.get.enrichment(adata).set_index(["group", "set"])
    one, other = frame.loc["T | stim - ctrl"], frame.loc["T | ctrl - stim"]
    np.testing.assert_allclose(one["score"], -other.loc[one.index, "score"])


@pytest.mark.smoke("gseapy")
def test_any_ranking_can_be_tested(adata):
    pytest.importorskip("gseapy")
    scpi.de.rank_genes(adata, "condition", reference="ctrl")
    for method in ("ora", "prerank"):
        scpi.tl.enrichment(adata, key="rank_genes_groups", method=method)
        assert set(scpi.get.enrichment(adata, top_n=2)["set"]) == {"set 0", "set 1"}
    with pytest.raises(KeyError, match=r"no result of `scpi.de.limma` under 'rank_genes_groups'"):
        scpi.tl.enrichment(adata, key="rank_genes_groups")


@pytest.mark.parametrize("method", ["camera", "fry", "ora"])
def test_the_target_itself_moves_no_set(adata, method):
    """A knock-out that lowers its own transcript only: its set falls by this gene alone."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(200.0, (12, N_GENES)).astype(float)
    counts[6:9, 3], counts[9:, [3, 25]] = 2.0, 2.0
    labels = np.repeat(["ctrl", "ctrl", "g3", "g3+g25"], 3)
    screen = ad.AnnData(counts, obs=pd.DataFrame({"knock": labels}, index=[f"s{i}" for i in range(12)]))
    screen.var_names = adata.var_names
    scpi.tl.gene_sets(screen, {"own": ["g3", "g4", "g5", "g6"], "other": ["g25", "g26", "g27", "g28"]}, min_size=1)
    scpi.de.limma(screen, "knock", reference="ctrl", filter_genes=False)
    scpi.tl.enrichment(screen, method=method, min_size=3)
    counted = scpi.get.enrichment(screen).set_index(["group", "set"])
    scpi.tl.enrichment(screen, method=method, min_size=3, exclude_targets=True)
    left = scpi.get.enrichment(screen).set_index(["group", "set"])
    for group, name in (("g3", "own"), ("g3+g25", "own"), ("g3+g25", "other")):
        assert counted.loc[(group, name), "n_genes"] == 4 and left.loc[(group, name), "n_genes"] == 3
        assert counted.loc[(group, name), "log2fc"] < -1 < left.loc[(group, name), "log2fc"]
        assert left.loc[(group, name), "pval"] > max(0.01, counted.loc[(group, name), "pval"])
        assert "g3" not in left.loc[(group, name), "genes"].split(";")
    # What a knock-out does not name stays as it was
    assert left.loc[("g3", "other"), "n_genes"] == 4
    assert bool(screen.uns["enrichment"]["params"]["exclude_targets"])


def test_p_values_are_adjusted_within_a_group_or_over_all(adata):
    scpi.tl.enrichment(adata, method="camera")
    frame = scpi.get.enrichment(adata)
    for _, part in frame.groupby("group", observed=True):
        np.testing.assert_allclose(part["pval_adj"], scpi.de.false_discovery_control(part["pval"]))
        assert part["rank"].tolist() == list(range(1, 7))
    scpi.tl.enrichment(adata, method="roast", corr_scope="all", n_rotations=99)
    frame = scpi.get.enrichment(adata)
    np.testing.assert_allclose(frame["pval_adj"], scpi.de.false_discovery_control(frame["pval"]))
    np.testing.assert_allclose(frame["pval_mixed_adj"], scpi.de.false_discovery_control(frame["pval_mixed"]))


def test_rotations_are_seeded(adata):
    results = []
    for seed in (0, 0, 1):
        scpi.tl.enrichment(adata, method="roast", n_rotations=99, rng=seed)
        results.append(scpi.get.enrichment(adata).sort_values(["group", "set"])["pval"].to_numpy())
    assert (results[0] == results[1]).all()
    assert (results[0] != results[2]).any()


@pytest.mark.parametrize("write", ["write_h5ad", "write_zarr"])
def test_files(adata, tmp_path, write):
    scpi.tl.enrichment(adata, method="camera")
    before = scpi.get.enrichment(adata)
    getattr(adata, write)(tmp_path / "a")
    read = ad.read_h5ad(tmp_path / "a") if write == "write_h5ad" else ad.read_zarr(tmp_path / "a")
    pd.testing.assert_frame_equal(scpi.get.enrichment(read), before, check_dtype=False, check_categorical=False)
    # The model is fitted again from what the file holds
    scpi.tl.enrichment(read, method="camera")
    pd.testing.assert_frame_equal(scpi.get.enrichment(read), before, check_dtype=False, check_categorical=False)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "gsva"}, ValueError, "`method` must be one of 'camera', 'fry'"),
        ({"corr_scope": "some"}, ValueError, "`corr_scope` must be one of 'group', 'all'"),
        ({"method": "fry", "n_permutations": 10}, TypeError, "'fry' has no option 'n_permutations': it takes nothing"),
        ({"method": "ora", "use_ranks": True}, TypeError, "it takes 'pval_cutoff', 'log2fc_min'"),
        ({"groups": "Z"}, ValueError, "not tested: 'Z'"),
        ({"gene_sets_key": "none"}, KeyError, "has no gene sets 'none'"),
        ({"key": "none"}, KeyError, "no ranking of genes under 'none'"),
        (
            {"min_size": 500},
            ValueError,
            "No set of 'gene_sets' has at least 500, but not all, of the genes that were tested in 'limma'",
        ),
    ],
)
def test_what_it_does_not_take(adata, options, error, message):
    with pytest.raises(error, match=message):
        scpi.tl.enrichment(adata, **options)
    assert "enrichment" not in adata.uns
