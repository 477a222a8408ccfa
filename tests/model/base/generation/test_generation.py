"""Generation by a model whose latent unit, rates and covariates are known."""

from __future__ import annotations

from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from scpi import de, pl
from scpi.model.base.generation._covariates import Covariates
from scpi.model.base.generation._generation import Generation
from scpi.model.base.generation._rates import Rates

GENES = 6
KNOWN = Covariates({"donor": ["d1", "d2", "d3"], "compound": ["A", "B", "C"]}, ["dose"])
# Logarithm of what each compound does to each gene
EFFECT = torch.zeros(3, GENES)
EFFECT[1, 0], EFFECT[1, 1], EFFECT[2, 2] = np.log(4.0), -np.log(4.0), 1.0


class Known(Generation):
    """Two latent units raise genes 3 and 4; a donor raises gene 5."""

    def __init__(self, adata, *, theta=50.0, latent_sd=0.0):
        self.adata, self.theta, self.latent_sd = adata, theta, latent_sd
        self.module = SimpleNamespace(eval=lambda: self.module, device=torch.device("cpu"))
        self.train_indices = np.arange(adata.n_obs)

    def _check_if_trained(self, warn):
        pass

    @property
    def _generator(self):
        return self

    def _covariates(self):
        return KNOWN

    def _decoder(self, adata):
        return self._rates

    def _rates(self, z, codes, values):
        log = EFFECT[codes[:, 1]].clone()
        log[:, 3:5] += z
        log[:, 5] += 0.3 * codes[:, 0]
        return Rates(torch.softmax(log, 1), torch.full((GENES,), self.theta))

    def _posterior(self, adata, cells):
        mean = adata.obsm["latent"][cells].astype(np.float32)
        return mean, np.full_like(mean, self.latent_sd)

    def _prior(self, n, rng):
        return rng.standard_normal((n, 2), dtype=np.float32)

    def _validated(self, adata):
        return self.adata if adata is None else adata

    def _expression_of(self, adata):
        return adata

    def _counts_of(self, adata):
        return adata.X

    def _covariates_of(self, adata, cells=slice(None)):
        return KNOWN.encode(adata.obs).take(cells)

    def _chosen_cells(self, adata, indices):
        return np.arange(adata.n_obs) if indices is None else np.asarray(indices)


@pytest.fixture(scope="module")
def adata():
    rng = np.random.default_rng(0)
    n = 240
    obs = pd.DataFrame(
        {
            "donor": [f"d{i % 3 + 1}" for i in range(n)],
            "compound": np.repeat(["A", "B"], n // 2),
            "dose": 1.0,
            "sex": "f",
            "_scpi_hidden": 0,
        },
        index=[f"c{i}" for i in range(n)],
    )
    x = rng.poisson(rng.uniform(5, 20, (n, 1)) * np.ones(GENES)).astype(np.float32)
    cells = ad.AnnData(sparse.csr_matrix(x), obs=obs, var=pd.DataFrame({"a": 1}, index=[f"g{i}" for i in range(GENES)]))
    # The latent units know the donor, and not the compound
    cells.obsm["latent"] = 3.0 * (np.arange(n) % 3)[:, None] + 0.1 * rng.normal(size=(n, 2))
    return cells


@pytest.fixture
def model(adata):
    return Known(adata)


def plan(**columns):
    return pd.DataFrame(
        {"donor": ["d1"], "compound": ["B"], "dose": [1.0], "n_cells": [4000], "library": [300.0]} | columns
    )


def expected(z, donor, compound):
    return torch.softmax(EFFECT[compound] + torch.tensor([0, 0, 0, z[0], z[1], 0.3 * donor]), 0).numpy()


def test_counts_have_the_rates_of_their_group(model, adata):
    made = model.generate(plan(well="w1"))
    assert sparse.isspmatrix_csr(made.X) and made.X.dtype == np.float32 and (made.X.data % 1 == 0).all()
    assert made.var.equals(adata.var) and made.obs_names[:2].tolist() == ["0_0", "0_1"]
    columns = ["donor", "compound", "dose", "well", "source_cell", "library", "status", "predicted_output"]
    assert made.obs.columns.tolist() == columns
    assert set(made.obs["status"]) == {"trained"} and (made.obs["library"] == 300).all()
    own = (adata.obs["donor"] == "d1") & (adata.obs["compound"] == "B")
    assert set(made.obs["source_cell"]) <= set(adata.obs_names[own])
    mean = expected([0.0, 0.0], 0, 1) * 300
    np.testing.assert_allclose(np.asarray(made.X.mean(0)).ravel(), mean, rtol=0.05)
    spread = made.X.toarray().var(0)
    # Those of genes 3 and 4 vary with the latent units as well
    np.testing.assert_allclose(spread[:3], (mean + mean**2 / 50)[:3], rtol=0.1)
    assert made.uns["prediction"] == {"model": "Known", "params": {"latent": "posterior"}, "output": "counts"}


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_generated_cells_survive_a_file(model, tmp_path, kind):
    for made in (model.generate(plan(n_cells=[5]), match="donor"), model.counterfactual(compound="C", indices=[0, 1])):
        file = tmp_path / f"{made.n_obs}.{kind}"
        getattr(made, f"write_{kind}")(file)
        back = getattr(ad, f"read_{kind}")(file)
        np.testing.assert_array_equal(back.X.toarray(), made.X.toarray())
        assert back.uns["prediction"]["output"] == "counts"


def joined(adata, cells):
    return ad.concat(
        {"measured": adata, "generated": cells},
        label="origin",
        index_unique="-",
        join="outer",
        merge="same",
        uns_merge="unique",
    )


def test_generated_cells_join_measured_ones_with_all_that_is_known_of_both(adata, tmp_path):
    adata = adata.copy()
    adata.layers["counts"], adata.uns["screen"], adata.var["length"] = adata.X.copy(), "mine", 2.0
    cells = Known(adata).generate(plan())
    cells.layers["counts"] = cells.X.copy()
    both = joined(adata, cells)
    both.write_h5ad(tmp_path / "both.h5ad")
    for found in (both, ad.read_h5ad(tmp_path / "both.h5ad")):
        assert found.obs["origin"].value_counts().to_dict() == {"generated": cells.n_obs, "measured": adata.n_obs}
        for name in ("X", "counts"):
            whole, *parts = (one.X if name == "X" else one.layers[name] for one in (found, adata, cells))
            np.testing.assert_array_equal(whole.toarray(), sparse.vstack(parts).toarray())
        generated = found.obs["origin"] == "generated"
        for column in ("source_cell", "status", "library", "predicted_output"):
            assert found.obs.loc[~generated, column].isna().all()
            assert found.obs.loc[generated, column].tolist() == cells.obs[column].tolist()
        assert found.obs["dose"].notna().all()
        assert found.uns["prediction"]["output"] == "counts"
        assert (found.uns["screen"], found.var["length"].tolist()) == ("mine", [2.0] * GENES)


def test_joined_cells_are_tested_and_drawn(model, adata):
    generated = model.generate(plan(n_cells=50))
    both = joined(adata, generated[generated.obs["compound"] == "B"])
    by = {"sample_key": ["donor", "origin"], "groupby": "compound"}
    samples = de.pseudobulk(both, **by)
    own = de.pseudobulk(adata, sample_key="donor", groupby="compound")
    assert samples.obs["origin"].value_counts()["measured"] == own.n_obs
    total = samples.X[(samples.obs["origin"] == "generated").to_numpy()].sum()
    assert total == generated[generated.obs["compound"] == "B"].X.sum()
    de.rank_genes(both, "origin")
    assert set(both.uns["rank_genes_groups"]["names"].dtype.names) == {"measured", "generated"}
    assert pl.library_size(both, groupby="donor", show=False).get_title() == "d1\n80 / 50 cells"


def test_expectations_among_joined_cells_are_warned_of(model, adata):
    cells = model.generate(plan(), output="mean")
    with pytest.warns(UserWarning, match="what a model expects of cells"):
        de.rank_genes(joined(adata, cells), "origin")


def test_the_same_seed_draws_the_same_cells(model):
    small = plan(n_cells=[50])
    first, again, other = (model.generate(small, rng=seed) for seed in (0, 0, 1))
    assert (first.X != again.X).nnz == 0 and (first.X != other.X).nnz > 0


def test_means_are_what_is_expected_and_are_marked(model):
    made = model.generate(plan(n_cells=[30]), output="mean", batch_size=7)
    assert isinstance(made.X, np.ndarray)
    np.testing.assert_allclose(made.X.sum(1), 300, rtol=1e-5)
    with pytest.warns(UserWarning, match="not cells"):
        de.rank_genes(ad.AnnData(made.X, obs=made.obs.assign(g=["a", "b"] * 15)), "g", method="wilcoxon")


def test_a_combination_that_was_not_measured_starts_from_its_donor(model, adata):
    made = model.generate(plan(donor=["d3"], compound=["C"], n_cells=[60]))
    assert set(made.obs["status"]) == {"unseen"}
    assert set(adata.obs.loc[made.obs["source_cell"], "donor"]) == {"d3"}
    anywhere = model.generate(plan(donor=["d3"], compound=["C"], n_cells=[60]), match=[])
    assert set(adata.obs.loc[anywhere.obs["source_cell"], "donor"]) == {"d1", "d2", "d3"}
    assert anywhere.uns["prediction"]["params"]["match"] == []


def test_latent_units_of_the_prior_and_of_the_posterior(adata):
    prior = Known(adata, theta=1e6).generate(plan(library=[1e6], n_cells=[3000]), latent="prior", output="mean").X
    assert np.log(prior[:, 3] / prior[:, 2]).std() == pytest.approx(1.0, abs=0.05)
    wide = Known(adata, latent_sd=0.7).generate(plan(library=[1e6], n_cells=[3000]), output="mean").X
    assert np.log(wide[:, 3] / wide[:, 2]).std() == pytest.approx(np.hypot(0.7, 0.1), abs=0.05)


def test_totals_are_those_of_training_cells(model, adata):
    made = model.generate(plan(n_cells=[40]).drop(columns="library"))
    own = np.asarray(adata[made.obs["source_cell"]].X.sum(1)).ravel()
    np.testing.assert_array_equal(made.obs["library"], own)


def test_a_cell_under_another_compound_keeps_its_counts(model, adata):
    made = model.counterfactual(compound="B", indices=np.arange(120))
    assert made.obs_names.tolist() == adata.obs_names[:120].tolist() == made.obs["source_cell"].tolist()
    assert set(made.obs["compound"]) == {"B"} and "_scpi_hidden" not in made.obs
    assert made.obs["donor"].tolist() == adata.obs["donor"][:120].tolist()
    before, after = adata.X[:120].toarray(), made.X.toarray()
    codes, values = KNOWN.encode(adata.obs)
    z = torch.from_numpy(adata.obsm["latent"].astype(np.float32))
    own, other = (model._rates(z, torch.from_numpy(codes * [1, 0] + [0, c]), None).fractions.numpy() for c in (0, 1))
    ratio = (other / own)[:120]
    # Gene 1 falls: its counts are thinned
    assert (after[:, 1] <= before[:, 1]).all()
    assert after[:, 1].sum() / (before * ratio)[:, 1].sum() == pytest.approx(1.0, abs=0.1)
    mean = model.counterfactual(compound="B", indices=np.arange(120), output="mean")
    np.testing.assert_allclose(after.sum(0), mean.X.sum(0), rtol=0.06)
    np.testing.assert_allclose(made.uns["prediction"]["control_mean"], before.mean(0), rtol=1e-5)
    assert made.uns["prediction"]["params"] == {"covariates": {"compound": "B"}}


def test_nothing_changes_under_a_cell_s_own_covariates(model, adata):
    made = model.counterfactual(compound="A", indices=[3, 1], batch_size=1)
    np.testing.assert_array_equal(made.X.toarray(), adata.X[[3, 1]].toarray())


def test_tests_of_generated_cells(model):
    rows = [(d, c, 1.0, 40, 300.0) for d in ("d1", "d2", "d3") for c in ("A", "B")]
    wells = pd.DataFrame(rows, columns=["donor", "compound", "dose", "n_cells", "library"])
    tested = model.generate_de(
        wells, "compound", reference="A", sample_key="donor", covariates="donor", n_draws=3, filter_genes=False
    )
    assert tested.n_obs == 18 and tested.uns["limma"]["params"]["n_draws"] == 3
    assert tested.uns["limma"]["names"]["B"][[0, -1]].tolist() == ["g0", "g1"]
    assert tested.uns["limma"]["pvals"]["B"][0] < 0.02
    named = model.generate_de(wells, "compound", reference="A", sample_key="donor", n_draws=2, key_added="x")
    assert set(named.uns) == {"x"}


def test_tests_say_which_groups_are_the_word_of_the_model(model):
    rows = [(d, c, 1.0, n, 200.0) for d in ("d1", "d2", "d3") for c, n in (("A", 40), ("C", 41))]
    wells = pd.DataFrame(rows, columns=["donor", "compound", "dose", "n_cells", "library"])
    asked = {"groupby": "compound", "reference": "A", "sample_key": "donor", "n_draws": 2}
    with pytest.warns(UserWarning) as said:
        model.generate_de(wells, **asked)
    assert len(said) == 2
    assert "of 3 of 6 groups, such as 41 of 'd1, C'" in str(said[0].message) and "of the sample has 40" in str(
        said[0].message
    )
    assert "3 of 6 groups of the plan were not measured: 'd1, C', 'd2, C', 'd3, C'." in str(said[1].message)
    # Of the 40 cells of each group, some are validation cells
    model.train_indices, model.validation_indices = np.arange(20, 240), np.arange(20)
    with pytest.warns(UserWarning, match="3 of 6 groups of the plan were not measured") as said:
        model.generate_de(wells.assign(n_cells=40), **asked)
    assert len(said) == 1


def test_samples_that_the_model_does_not_know_are_no_replicates(model):
    with pytest.raises(ValueError, match="'well', but the covariates of the model are 'donor', 'comp.*not replicates"):
        model.generate_de(plan(well="w"), "compound", reference="A", sample_key="well")
    with pytest.raises(ValueError, match="`n_draws` must be at least 2, got 1"):
        model.generate_de(plan(), "compound", reference="A", sample_key="donor", n_draws=1)


@pytest.mark.parametrize("call", ["generate", "counterfactual"])
def test_unknown_output(model, call):
    arguments = {"plan": plan()} if call == "generate" else {"compound": "B"}
    with pytest.raises(ValueError, match="`output` must be one of 'counts', 'mean', but is 'log'"):
        getattr(model, call)(**arguments, output="log")


def test_unknown_latent(model):
    with pytest.raises(ValueError, match="`latent` must be one of 'posterior', 'prior', but is 'mean'"):
        model.generate(plan(), latent="mean")
