from __future__ import annotations

from typing import ClassVar

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from mudata import MuData
from scipy import sparse, stats

import scpi
from scpi.attribution import AttributionTarget
from scpi.de import false_discovery_control

TABLES = ("impact", "zscore", "pval", "pval_adj", "specificity")


def make_data(n_genes=800, n_units=4, n_sets=20, size=25, seed=0, planted=0.0):
    """Scores that depend on expression, and random sets, of which set k is planted in unit k."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(0.5, 2.0, n_genes)
    adata = ad.AnnData(sparse.csr_matrix(rng.poisson(mean, (60, n_genes)).astype(np.float32)))
    adata.var_names = [f"g{i}" for i in range(n_genes)]
    scores = rng.normal(size=(n_genes, n_units)) * (0.2 + mean)[:, None] + mean[:, None]
    sets = {f"set{s}": np.isin(np.arange(n_genes), rng.choice(n_genes, size, replace=False)) for s in range(n_sets)}
    for unit in range(n_units if planted else 0):
        scores[sets[f"set{unit}"], unit] += planted * (0.2 + mean[sets[f"set{unit}"]]) * (-1) ** unit
    adata.varm["gene_sets"] = pd.DataFrame(sets, index=adata.var_names)
    units = [f"latent_{u}" for u in range(n_units)]
    adata.varm["saliency"] = pd.DataFrame(scores, index=adata.var_names, columns=units, dtype=np.float32)
    return adata


@pytest.mark.parametrize("statistic", ["mean", "rank", "ulm"])
def test_pvalues_of_random_sets_are_uniform(statistic):
    adata = make_data(n_units=10, n_sets=150)
    if statistic == "ulm":
        # Its null knows nothing of expression, so nothing may depend on it
        adata.varm["saliency"] = np.random.default_rng(1).normal(size=(800, 10))
    scpi.tl.gene_set_impact(adata, statistic=statistic)
    pval = adata.uns["gene_set_impact"]["pval"]
    # Sets overlap and share their units, so the p-values are not independent: fewer than there are
    assert stats.kstest(pval[:, ::3].ravel(), "uniform").pvalue > 0.01
    assert (adata.uns["gene_set_impact"]["pval_adj"] < 0.05).mean() < 0.01


@pytest.mark.parametrize(("statistic", "effect"), [("mean", 2.0), ("rank", 1.5)])
def test_planted_sets_are_found(statistic, effect):
    found, wrong = [], []
    for seed in range(5):
        adata = make_data(seed=seed, planted=effect)
        scpi.tl.gene_set_impact(adata, statistic=statistic)
        significant = adata.uns["gene_set_impact"]["pval_adj"] < 0.05
        found.append(np.diag(significant).mean())
        wrong.append((significant.sum() - np.diag(significant).sum()) / max(significant.sum(), 1))
        z = np.diag(adata.uns["gene_set_impact"]["zscore"])
        assert (np.sign(z[: len(z)]) == [1, -1, 1, -1]).all()
    assert np.mean(found) >= 0.95
    assert np.mean(wrong) <= 0.1


def test_sets_of_high_expression_are_no_finding():
    """Scores grow with expression alone: sets of high genes stand out against all genes, not against their like."""
    adata = make_data()
    mean = np.asarray(adata.X.mean(axis=0)).ravel()
    high = np.zeros(800, dtype=bool)
    high[np.random.default_rng(5).choice(np.argsort(mean)[-200:], 40, replace=False)] = True
    adata.varm["gene_sets"] = pd.DataFrame({"high": high}, index=adata.var_names)
    scpi.tl.gene_set_impact(adata, statistic="ulm")
    assert (adata.uns["gene_set_impact"]["pval"] < 0.01).all()
    scpi.tl.gene_set_impact(adata)
    assert (adata.uns["gene_set_impact"]["pval"] > 0.01).all()


def test_the_table_by_hand():
    adata = make_data()
    scpi.tl.gene_set_impact(adata)
    stored = adata.uns["gene_set_impact"]
    saliency, sets = adata.varm["saliency"].to_numpy(dtype=float), adata.varm["gene_sets"]
    assert stored["units"].tolist() == adata.varm["saliency"].columns.tolist()
    assert stored["sets"].tolist() == sets.columns.tolist()
    assert stored["size"].tolist() == [25] * 20
    assert stored["impact"][2, 3] == pytest.approx(saliency[sets["set3"].to_numpy(), 2].mean())
    np.testing.assert_allclose(stored["pval_adj"], false_discovery_control(stored["pval"], axis=None))
    z = stored["zscore"]
    expected = z - z.mean(axis=0) - z.mean(axis=1)[:, None] + z.mean()
    np.testing.assert_allclose(stored["specificity"], expected, atol=1e-12)
    assert stored["params"]["statistic"] == "mean"


def test_permutations_give_nearly_the_same():
    adata = make_data(n_sets=5, planted=2.0)
    scpi.tl.gene_set_impact(adata)
    scpi.tl.gene_set_impact(adata, n_permutations=500, key_added="permuted")
    np.testing.assert_allclose(adata.uns["permuted"]["pval"], adata.uns["gene_set_impact"]["pval"], atol=0.09)
    assert adata.uns["permuted"]["pval"].min() == pytest.approx(2 / 501)
    scpi.tl.gene_set_impact(adata, n_permutations=500, key_added="again")
    np.testing.assert_array_equal(adata.uns["again"]["pval"], adata.uns["permuted"]["pval"])


def test_gsea_finds_them_too():
    pytest.importorskip("gseapy")
    adata = make_data(n_units=2, n_sets=6)
    scores = np.random.default_rng(1).normal(size=(800, 2))
    for unit, sign in ((0, 1), (1, -1)):
        scores[adata.varm["gene_sets"][f"set{unit}"], unit] += sign
    adata.varm["saliency"] = scores
    scpi.tl.gene_set_impact(adata, statistic="gsea", n_permutations=200)
    stored = adata.uns["gene_set_impact"]
    assert np.sign(np.diag(stored["zscore"])).tolist() == [1, -1]
    np.testing.assert_allclose(np.diag(stored["pval"]), 1 / 201)
    assert (np.abs(stored["impact"]).argmax(axis=1) == [0, 1]).all()


class Encoder:
    """A model of two units whose slopes depend on the cell."""

    registry = {"setup_args": {}}
    var_names_ = None

    def __init__(self, adata):
        self._adata = adata
        rng = np.random.default_rng(0)
        self.weight = torch.from_numpy(rng.normal(size=(adata.n_vars, 2)).astype(np.float32)) / 100

    def _check_if_trained(self, warn):
        pass

    def _validate_anndata(self, adata):
        return adata

    def get_anndata_manager(self, adata, required):
        class Manager:
            registry: ClassVar = {"setup_args": {}}

            @staticmethod
            def get_from_registry(_):
                return adata.X

        return Manager

    def attribution_target(self, kind):
        return AttributionTarget(lambda x: torch.tanh(x @ self.weight), lambda x: x, ["u0", "u1"], kind=kind)


def test_the_median_of_a_model_by_hand():
    adata = make_data(n_genes=200, n_sets=3)
    model = Encoder(adata)
    scpi.tl.gene_set_impact(adata, statistic="median", model=model, method="gradient", n_permutations=100)
    stored = adata.uns["gene_set_impact"]
    assert stored["units"].tolist() == ["u0", "u1"]
    u = np.tanh(adata.X.toarray() @ model.weight.numpy())
    members = adata.varm["gene_sets"]["set1"].to_numpy()
    slopes = (1 - u[:, 1] ** 2)[:, None] * model.weight.numpy()[members, 1]
    assert stored["impact"][1, 1] == pytest.approx(np.median(np.abs(slopes), axis=1).mean(), rel=1e-4)
    assert stored["params"]["model"] == "Encoder"
    assert (stored["pval"] > 1e-4).all()
    scpi.tl.gene_set_impact(adata, statistic="median", model=model, method="gradient", n_permutations=100, n_cells=20)
    few = adata.uns["gene_set_impact"]["impact"]
    assert 0 < np.abs(few - stored["impact"]).max() < 0.5 * stored["impact"].max()


def test_the_saliencies_of_a_group():
    adata = make_data()
    values = np.stack([adata.varm["saliency"].to_numpy(), -adata.varm["saliency"].to_numpy()], axis=2)
    adata.varm["saliency_groups"] = values
    adata.uns["saliency"] = {
        "params": {},
        "units": np.array(adata.varm["saliency"].columns),
        "groups": np.array(["A", "B"]),
    }
    scpi.tl.gene_set_impact(adata)
    scpi.tl.gene_set_impact(adata, group="B", key_added="of_B")
    np.testing.assert_allclose(adata.uns["of_B"]["zscore"], -adata.uns["gene_set_impact"]["zscore"], rtol=1e-5)
    with pytest.raises(ValueError, match="group 'C' under 'saliency', only of 'A', 'B'"):
        scpi.tl.gene_set_impact(adata, group="C")


def test_a_vanished_unit_is_named():
    adata = make_data()
    adata.varm["saliency"]["latent_1"] = np.float32(0)
    with pytest.warns(UserWarning, match="vanished have: 'latent_1'"):
        scpi.tl.gene_set_impact(adata)
    stored = adata.uns["gene_set_impact"]
    assert (stored["pval"][1] == 1).all()
    assert (stored["zscore"][1] == 0).all()
    assert np.isfinite(stored["specificity"]).all()


def test_it_survives_a_file(tmp_path):
    adata = make_data(planted=2.0)
    scpi.tl.gene_set_impact(adata, n_permutations=20)
    scpi.tl.annotate_units(adata)
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        for name in TABLES:
            np.testing.assert_array_equal(again.uns["gene_set_impact"][name], adata.uns["gene_set_impact"][name])
        pd.testing.assert_frame_equal(scpi.get.gene_set_impact(again), scpi.get.gene_set_impact(adata))
        pd.testing.assert_frame_equal(scpi.get.unit_annotation(again), scpi.get.unit_annotation(adata))
        scpi.tl.annotate_units(again, how="best")


def test_copies_modalities_and_other_names():
    adata = make_data()
    assert scpi.tl.gene_set_impact(adata, copy=True).uns["gene_set_impact"]["impact"].shape == (4, 20)
    assert "gene_set_impact" not in adata.uns
    mdata = MuData({"rna": adata})
    scpi.tl.gene_set_impact(mdata, mod="rna", key_added="mine")
    scpi.tl.annotate_units(mdata, mod="rna", key="mine", key_added="names")
    assert len(scpi.get.unit_annotation(mdata, mod="rna", key="names")) == 4
    assert len(scpi.get.gene_set_impact(mdata, mod="rna", key="mine", units="latent_1", top_n=3)) == 3


def test_small_and_empty_sets_are_left_out():
    adata = make_data(n_sets=3)
    members = adata.varm["gene_sets"]
    adata.varm["gene_sets"] = members.assign(one=np.arange(800) == 3, empty=False)
    scpi.tl.gene_set_impact(adata)
    assert adata.uns["gene_set_impact"]["sets"].tolist() == ["set0", "set1", "set2"]
    scpi.tl.gene_set_impact(adata, min_size=1)
    assert adata.uns["gene_set_impact"]["sets"].tolist() == ["set0", "set1", "set2", "one"]
    with pytest.raises(ValueError, match="None of the 5 gene sets is within min_size=100: they have 0 to 25 genes"):
        scpi.tl.gene_set_impact(adata, min_size=100)


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"statistic": "max"}, ValueError, "`statistic` must be one of 'mean', 'rank', 'median', 'ulm', 'gsea'"),
        ({"statistic": "median"}, ValueError, "give the `model`"),
        ({"model": object()}, ValueError, "leave `model` out"),
        ({"key": "nothing"}, KeyError, "scpi.tl.saliency"),
        ({"gene_sets_key": "nothing"}, KeyError, "scpi.tl.gene_sets"),
        ({"layer": "nothing"}, KeyError, "no 'nothing'"),
        ({"n_bins": 0}, ValueError, "`n_bins` must be at least 1"),
        ({"n_permutations": 0}, ValueError, "`n_permutations` must be at least 1"),
    ],
)
def test_bad_input_is_explained(kwargs, error, match):
    adata = make_data()
    with pytest.raises(error, match=match):
        scpi.tl.gene_set_impact(adata, **kwargs)
    assert "gene_set_impact" not in adata.uns


def test_saliencies_must_be_finite():
    adata = make_data()
    adata.varm["saliency"].iloc[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        scpi.tl.gene_set_impact(adata)
