from __future__ import annotations

from typing import ClassVar

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from mudata import MuData
from scipy import sparse, stats

import scpi
from scpi.attribution import AttributionTarget, attribute_cells

N_GENES = 300


class Encoder:
    """Units that are curves of sums of the genes of one set each, with a few other genes."""

    registry = {"setup_args": {}}
    var_names_ = None

    def __init__(self, membership):
        rng = np.random.default_rng(0)
        weight = 0.1 * rng.normal(size=(N_GENES, 3))
        weight += membership[:, :3]
        self.weight = torch.from_numpy(weight.astype(np.float32))

    def _check_if_trained(self, warn):
        pass

    def _validate_anndata(self, adata):
        return adata["rna"] if isinstance(adata, MuData) else adata

    def get_anndata_manager(self, adata, required):
        class Manager:
            registry: ClassVar = {"setup_args": {}}

            @staticmethod
            def get_from_registry(_):
                return adata.X

        return Manager

    def attribution_target(self, kind):
        assert kind == "latent"
        return AttributionTarget(
            lambda x: torch.nn.functional.softplus(x @ self.weight / 5), torch.log1p, ["u0", "u1", "u2"], kind=kind
        )


def make_data(n_donors=8, n_cells=30, effect=0.0, donor_sd=0.3, seed=0, paired=True):
    """Cells of donors that differ; in the target, the genes of the first set are higher."""
    rng = np.random.default_rng(seed)
    membership = np.zeros((N_GENES, 12), dtype=bool)
    membership[:240] = np.eye(12, dtype=bool)[np.arange(240) % 12]
    base = rng.normal(size=N_GENES)
    rows, obs = [], []
    for donor in range(n_donors):
        shift = rng.normal(0, donor_sd, N_GENES)
        for group in ("stim", "ctrl") if paired else (("stim", "ctrl")[donor % 2],):
            mean = np.exp(base + shift + effect * (group == "stim") * membership[:, 0])
            rows.append(rng.poisson(mean, (n_cells, N_GENES)))
            obs += [(f"d{donor}", group)] * n_cells
    adata = ad.AnnData(sparse.csr_matrix(np.concatenate(rows).astype(np.float32)))
    adata.obs = pd.DataFrame(obs, columns=["donor", "group"], index=adata.obs_names)
    adata.var_names = [f"g{i}" for i in range(N_GENES)]
    adata.varm["gene_sets"] = pd.DataFrame(membership, index=adata.var_names, columns=[f"set{i}" for i in range(12)])
    return adata, Encoder(membership)


@pytest.mark.parametrize("paired", [True, False])
def test_the_planted_set_comes_first_and_up(paired):
    adata, model = make_data(effect=0.7, paired=paired)
    scpi.tl.impact_contrast(adata, model, "group", target="stim", reference="ctrl", donor_key="donor")
    stored = adata.uns["impact_contrast"]
    assert stored["params"]["paired"] is paired
    frame = scpi.get.impact_contrast(adata, pval_cutoff=0.01)
    assert (frame.iloc[0]["unit"], frame.iloc[0]["set"]) == ("u0", "set0")
    assert frame.iloc[0]["difference"] > 0
    assert frame.iloc[0]["ci_low"] > 0
    # Exchanges of labels of 8 donors: 2 of 256 within donors, 2 of 70 between 4 and 4
    assert frame.iloc[0]["pval_permuted"] == pytest.approx(2 / 256 if paired else 2 / 70)
    scpi.tl.impact_contrast(adata, model, "group", target="ctrl", donor_key="donor", key_added="flipped")
    np.testing.assert_allclose(adata.uns["flipped"]["difference"], -stored["difference"], rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(adata.uns["flipped"]["zscore"], -stored["zscore"], rtol=1e-3, atol=1e-3)


def test_a_finding_needs_both_tests():
    adata, model = make_data(effect=0.7)
    scpi.tl.impact_contrast(adata, model, "group", target="stim", reference="ctrl", donor_key="donor")
    stored = adata.uns["impact_contrast"]
    both = np.maximum(stored["pval"], stored["pval_groups"])
    np.testing.assert_array_equal(stored["pval_both"], both)
    np.testing.assert_allclose(stored["pval_both_adj"].ravel(), stats.false_discovery_control(both.ravel()), rtol=1e-12)
    assert len(scpi.get.impact_contrast(adata, pval_cutoff=0.05)) == 1
    stored["pval_both_adj"][:] = 0.06
    assert scpi.get.impact_contrast(adata, pval_cutoff=0.05).empty


def test_differences_by_hand():
    adata, model = make_data(effect=0.5)
    with pytest.warns(UserWarning, match="Without `donor_key` every cell counts as a replicate"):
        scpi.tl.impact_contrast(adata, model, "group", target="stim", n_steps=8)
    stored = adata.uns["impact_contrast"]
    found = attribute_cells(
        model.attribution_target("latent"), adata.X, method="integrated_gradients", n_steps=8
    ).values
    target = (adata.obs["group"] == "stim").to_numpy()
    members = adata.varm["gene_sets"]["set4"].to_numpy()
    of_cells = found[1][:, members].mean(axis=1).astype(float)
    expected = of_cells[target].mean() - of_cells[~target].mean()
    assert stored["difference"][1, 4] == pytest.approx(expected, rel=1e-3)
    error = np.sqrt(of_cells[target].var() / target.sum() + of_cells[~target].var() / (~target).sum())
    assert stored["t"][1, 4] == pytest.approx(expected / error, rel=0.01)
    assert stored["ci_high"][1, 4] - stored["ci_low"][1, 4] == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert "pval_permuted" not in stored
    assert stored["params"]["n_cells_target"] == 240


def test_null_donors():
    """Donors differ, groups do not: between donors this is no finding, between cells it is one all the time."""
    of_donors, of_cells = [], []
    for seed in range(12):
        adata, model = make_data(paired=False, seed=seed, n_cells=20)
        kwargs = {"target": "stim", "method": "input_x_gradient", "n_bootstrap": 0}
        scpi.tl.impact_contrast(adata, model, "group", donor_key="donor", **kwargs)
        of_donors.append((adata.uns["impact_contrast"]["pval_groups"] < 0.05).mean())
        with pytest.warns(UserWarning, match="donor"):
            scpi.tl.impact_contrast(adata, model, "group", **kwargs)
        of_cells.append((adata.uns["impact_contrast"]["pval_groups"] < 0.05).mean())
        assert np.isnan(adata.uns["impact_contrast"]["ci_low"]).all()
    # 12 draws of donors whose 36 tests hang together
    assert np.mean(of_donors) <= 0.09
    assert np.mean(of_cells) > 0.2


def test_donors_with_few_cells_and_in_one_group(caplog):
    adata, model = make_data(n_donors=5)
    few = (adata.obs["donor"] == "d0") & (adata.obs["group"] == "ctrl")
    keep = ~few.to_numpy() | (np.arange(adata.n_obs) < 33)
    adata = adata[keep].copy()
    scpi.tl.impact_contrast(adata, model, "group", target="stim", donor_key="donor")
    assert "'d0'" in caplog.text
    assert adata.uns["impact_contrast"]["params"]["n_samples"] == 8
    assert adata.uns["impact_contrast"]["params"]["paired"]
    # The one group that is left of d0 has no pair
    assert adata.uns["impact_contrast"]["params"]["n_cells_target"] == 4 * 30


def test_fewer_cells_and_units():
    adata, model = make_data(effect=0.7)
    scpi.tl.impact_contrast(
        adata, model, "group", target="stim", donor_key="donor", n_cells=10, units=["u2", "u0"], max_size=20
    )
    stored = adata.uns["impact_contrast"]
    assert stored["units"].tolist() == ["u2", "u0"]
    assert stored["params"]["n_cells_target"] == 80
    assert stored["zscore"][1].argmax() == 0
    before = stored["difference"]
    scpi.tl.impact_contrast(
        adata, model, "group", target="stim", donor_key="donor", n_cells=10, units=["u2", "u0"], max_size=20
    )
    np.testing.assert_array_equal(adata.uns["impact_contrast"]["difference"], before)


def test_it_survives_a_file(tmp_path):
    adata, model = make_data()
    mdata = MuData({"rna": adata})
    copied = scpi.tl.impact_contrast(
        mdata, model, "group", target="stim", donor_key="donor", mod="rna", key_added="mine", copy=True
    )
    assert "mine" not in mdata["rna"].uns
    adata = copied["rna"]
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    for again in (ad.read_h5ad(tmp_path / "a.h5ad"), ad.read_zarr(tmp_path / "a.zarr")):
        frame = scpi.get.impact_contrast(again, key="mine")
        pd.testing.assert_frame_equal(frame, scpi.get.impact_contrast(adata, key="mine"))
        assert frame.shape == (36, 16)


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"target": "other"}, ValueError, "no group 'other', only 'ctrl', 'stim'"),
        ({"target": "stim", "reference": "none"}, ValueError, "no group 'none'"),
        ({"target": "stim", "reference": "stim"}, ValueError, "cannot be compared with itself"),
        ({"target": "stim", "donor_key": "nothing"}, KeyError, "no column 'nothing'"),
        ({"target": "stim", "donor_key": "group"}, ValueError, "1 in the target and 1 in the reference"),
        ({"target": "stim", "min_cells": 1000}, ValueError, "Both groups need at least 1000 cells, but 'stim' has 60"),
        ({"target": "stim", "baseline": "rest"}, ValueError, "the same for both groups"),
        ({"target": "stim", "units": ["u9"]}, ValueError, "no unit 'u9', only 'u0'"),
        ({"target": "stim", "gene_sets_key": "nothing"}, KeyError, "no gene sets 'nothing'"),
        ({"target": "stim", "n_bootstrap": -1}, ValueError, "`n_bootstrap` must be at least 0"),
        ({"target": "stim", "donor_key": "donor", "method": "magic"}, ValueError, "`method` must be one of"),
        ({"target": "stim", "donor_key": "donor", "n_stepz": 3}, TypeError, "no option 'n_stepz'"),
    ],
)
def test_bad_input_is_explained(kwargs, error, match):
    adata, model = make_data(n_donors=2)
    with pytest.raises(error, match=match):
        scpi.tl.impact_contrast(adata, model, "group", **kwargs)
    assert "impact_contrast" not in adata.uns


def test_a_model_without_units_is_named():
    adata, _ = make_data(n_donors=2)

    class Other:
        def _check_if_trained(self, warn):
            pass

    with pytest.raises(TypeError, match="Other has no attribution target of the kind 'latent'"):
        scpi.tl.impact_contrast(adata, Other(), "group", target="stim", donor_key="donor")


def test_a_model_of_other_genes_is_noticed():
    adata, _ = make_data(n_donors=2)
    scvi.model.LinearSCVI.setup_anndata(adata)
    model = scvi.model.LinearSCVI(adata, n_latent=2)
    model.train(1, accelerator="cpu", enable_progress_bar=False)
    other = adata.copy()
    other.var_names = [f"h{i}" for i in range(N_GENES)]
    with pytest.raises(ValueError, match="it has no 'g0'"):
        scpi.tl.impact_contrast(other, model, "group", target="stim", donor_key="donor")
    with pytest.raises(ValueError, match="it has no 'g0'"):
        scpi.tl.gene_set_impact(other, statistic="median", model=model)
