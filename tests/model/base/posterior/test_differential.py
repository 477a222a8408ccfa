from __future__ import annotations

import mudata as md
import numpy as np
import pandas as pd
import pytest
import scvi
from scipy import sparse
from sklearn.metrics import roc_auc_score

import scpi

PAIR = {"groupby": "group", "group1": "B", "group2": "A"}


def auroc(table, cells):
    """How well the probability separates the planted genes from the others."""
    return roc_auc_score(cells.var["log2fc"] != 0, table.loc[cells.var_names, "proba_de"])


@pytest.fixture(scope="module")
def found(model):
    return model.differential_expression(**PAIR)


@pytest.fixture(scope="module")
def other(cells):
    """The same by SCVI, with the likelihood of NBVAE."""
    cells = cells.copy()
    scvi.settings.seed = 0
    scvi.model.SCVI.setup_anndata(cells)
    model = scvi.model.SCVI(cells, gene_likelihood="nb", n_latent=4)
    plan = {"n_epochs_kl_warmup": 10, "lr": 0.01}
    model.train(40, accelerator="cpu", enable_progress_bar=False, plan_kwargs=plan)
    return model.differential_expression(**PAIR, mode="change", silent=True)


def test_planted_genes_are_found_as_well_as_by_scvi(found, other, cells):
    assert found.columns.tolist() == other.columns.tolist()
    assert auroc(found, cells) > 0.97 and auroc(found, cells) > auroc(other, cells) - 0.02
    genes = cells.var_names
    assert np.corrcoef(found.loc[genes, "lfc_mean"], cells.var["log2fc"])[0, 1] > 0.95
    assert np.corrcoef(found.loc[genes, "lfc_mean"], other.loc[genes, "lfc_mean"])[0, 1] > 0.85
    # Statistics of counts have nothing random
    for name in [name for name in found if name.startswith(("raw_", "non_"))]:
        np.testing.assert_allclose(found.loc[genes, name], other.loc[genes, name], rtol=1e-4)


def test_false_calls_are_no_more_than_those_of_scvi(found, other, cells):
    def calls(table):
        called = table.index[table["is_de_fdr_0.05"]]
        return len(called), (cells.var.loc[called, "log2fc"] == 0).sum()

    (n, false), (_, other_false) = calls(found), calls(other)
    assert n - false == 20 and false <= min(other_false, 5)


def test_random_halves_of_a_group_do_not_differ(model, cells):
    is_a = cells.obs["group"] == "A"
    halves = [(is_a & (cells.obs["half"] == half)).to_numpy() for half in "xy"]
    null = model.differential_expression(idx1=halves[0], idx2=halves[1])
    assert null["is_de_fdr_0.05"].sum() == 0 and null["proba_de"].max() < 0.6
    assert null["lfc_mean"].abs().max() < 0.15


def test_the_probability_is_that_of_pairs_of_cells(model, cells, monkeypatch):
    # Without noise in the latent units, all pairs can be enumerated
    posterior = type(model)._posterior

    def means(self, data, chosen):
        mean, sd = posterior(self, data, chosen)
        return mean, 0.0 * sd

    monkeypatch.setattr(type(model), "_posterior", means)
    found = model.differential_expression(**PAIR, delta=0.5, pseudocounts=1e-6, n_samples_overall=20_000)
    logs = np.log2(model.get_normalized_expression() + 1e-6)
    is_b = (cells.obs["group"] == "B").to_numpy()
    for gene in cells.var_names[::9]:
        change = np.subtract.outer(logs.loc[is_b, gene].to_numpy(), logs.loc[~is_b, gene].to_numpy())
        expected = max((change >= 0.5).mean(), (change < -0.5).mean())
        assert found.loc[gene, "proba_de"] == pytest.approx(expected, abs=0.02)
        assert found.loc[gene, "lfc_mean"] == pytest.approx(change.mean(), abs=0.02)


def test_draws_are_seeded_and_leave_the_global_generator(model, cells, found):
    np.random.seed(3)  # noqa: NPY002
    before, columns = np.random.random(), list(cells.obs)  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    again = model.differential_expression(**PAIR)
    pd.testing.assert_frame_equal(again, found)
    assert not again.equals(model.differential_expression(**PAIR, rng=1))
    assert np.random.random() == before  # noqa: NPY002
    assert list(cells.obs) == columns


def test_a_donor_is_no_replicate(planted, train):
    # Nothing but the donor differs, one in each group: cells do not say so, and samples cannot be tested
    cells = planted(donors=("1",), sd=0.8)
    found = train(cells).differential_expression(**PAIR)
    assert found["is_de_fdr_0.05"].sum() >= 20
    with pytest.raises(ValueError, match="residual|sample"):
        scpi.de.limma(cells, "group", reference="A", sample_key="donor")


def test_cells_are_compared_in_the_same_batches(planted, train):
    # Batches shift the last genes, and go with the groups for most cells
    cells = planted()
    rng = np.random.default_rng(0)
    is_two = (cells.obs["group"] == "B").to_numpy() ^ (rng.random(cells.n_obs) < 0.2)
    cells.obs["batch"] = np.where(is_two, "two", "one")
    shifted = cells.var_names[80:]
    counts = cells.X.toarray()
    counts[np.ix_(is_two, np.arange(80, 100))] *= 4
    cells.X = sparse.csr_matrix(counts)
    model = train(cells, {"batch_key": "batch"})
    own = model.differential_expression(**PAIR)
    both = model.differential_expression(**PAIR, batch_correction=True)
    only = model.differential_expression(**PAIR, batch_correction=True, batchid1=["one"], batchid2=["one"])
    assert own.loc[shifted, "lfc_mean"].mean() > 0.5
    for table in (both, only):
        assert table.loc[shifted, "lfc_mean"].abs().mean() < 0.3
        assert auroc(table, cells) > 0.95


def test_modalities_and_labels_of_any_type(cells, train):
    cells = cells[::3].copy()
    cells.obs["number"] = (cells.obs["group"] == "B").astype(int)
    mdata = md.MuData({"rna": cells})
    mdata.obs["number"] = cells.obs["number"]
    scpi.model.NBVAE.setup_mudata(mdata, modalities={"layer": "rna"})
    model = scpi.model.NBVAE(mdata, n_latent=2)
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    table = model.differential_expression(groupby="number", group1=1, n_samples_overall=50)
    assert table.index.isin(cells.var_names).all() and set(table["comparison"]) == {"1 vs Rest"}


@pytest.mark.parametrize("mode", ["vanilla", "change"])
def test_all_groups_and_options_of_scvi_tools(model, mode):
    table = model.differential_expression(groupby="group", mode=mode, n_samples_overall=100, all_stats=False)
    assert table["comparison"].value_counts().to_dict() == {"A vs Rest": 100, "B vs Rest": 100}
    assert not any(name.startswith("raw_") for name in table)
    kept = model.differential_expression(**PAIR, mode=mode, filter_outlier_cells=True, delta=None, n_samples_overall=99)
    assert np.isfinite(kept["bayes_factor"]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "Name the groups by `groupby`"),
        ({"groupby": "nothing"}, KeyError, "`obs` has no column 'nothing'"),
        ({"groupby": "group", "group1": "C"}, ValueError, "`obs\\['group'\\]` has no group 'C', only 'A', 'B'"),
        ({"groupby": "group", "mode": "changes"}, ValueError, "`mode` must be one of 'vanilla', 'change'"),
        ({"groupby": "group", "n_sample": 3}, TypeError, "Did you mean 'n_samples_overall'"),
        ({"groupby": "group", "batch_correction": True}, ValueError, "`batch_correction` needs a batch"),
        ({"idx1": "group == 'C'", "idx2": "group == 'A'"}, ValueError, "size zero"),
    ],
)
def test_bad_input(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.differential_expression(**arguments)
