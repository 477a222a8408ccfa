from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from mudata import MuData
from scipy import sparse, stats

import scpi
from scpi.model.gene_program._presets import PRESETS


@pytest.fixture(scope="module")
def adata(programs):
    return programs.copy()


@pytest.fixture(scope="module")
def model(adata, train):
    return train(adata, {"batch_key": "batch"}, n_units=6, max_epochs=100)


@pytest.fixture(scope="module")
def z(model):
    return model.get_latent_representation()


def test_programs_are_found(model, adata, z):
    # Three programs, each with a unit of its own, and its genes
    found = scpi.metrics.association(z, adata.obsm["programs"])
    assert scpi.metrics.lms(found) > 0.85
    weights = model.get_loadings()
    assert weights.shape == (120, 6)
    best = found.argmax(0)
    for program, unit in enumerate(best):
        genes = np.asarray(adata.varm["programs"])[:, program] != 0
        assert np.abs(weights.to_numpy()[genes, unit]).mean() > 5 * np.abs(weights.to_numpy()[~genes, unit]).mean()
    assert len(set(best)) == 3


def test_units_live_among_thousands_of_genes(train):
    # A step of the layer before the units must not silence them in all cells: none would come back
    adata = scpi.datasets.gene_programs(300, 3000, 4, n_genes_per_program=100, depth=500.0, rng=1)
    model = train(adata, n_units=8, max_epochs=15)
    assert (model.unit_statistics()["fraction_on"] > 0.05).all()


def test_units_are_not_negative_and_mostly_silent(z):
    assert z.dtype == np.float32
    assert z.min() == 0.0
    assert (z == 0).mean() > 0.4


@pytest.fixture(scope="module")
def brief(programs, train):
    """What units say after a few epochs."""
    return train(programs.copy(), {"batch_key": "batch"}, n_units=6, max_epochs=5).get_latent_representation()


def test_the_same_seed_gives_the_same_model(programs, train, brief):
    again, other = (
        train(programs.copy(), {"batch_key": "batch"}, n_units=6, max_epochs=5, **seed) for seed in ({}, {"seed": 1})
    )
    np.testing.assert_array_equal(again.get_latent_representation(), brief)
    assert not np.array_equal(other.get_latent_representation(), brief)


def test_a_saved_model_is_the_same(model, adata, z, tmp_path):
    model.save(str(tmp_path / "model"), save_anndata=True)
    loaded = scpi.model.GeneProgramAE.load(str(tmp_path / "model"), accelerator="cpu")
    np.testing.assert_array_equal(loaded.get_latent_representation(), z)
    assert loaded.units_ == model.units_ == [f"unit_{i}" for i in range(6)]
    bare = scpi.model.GeneProgramAE.load(str(tmp_path / "model"), adata=False, accelerator="cpu")
    with pytest.raises(ValueError, match="no data to train on"):
        bare.train(1)
    np.testing.assert_array_equal(bare.get_latent_representation(adata.copy()), z)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, np.float64])
def test_the_form_of_the_matrix_does_not_matter(model, adata, z, convert):
    other = adata.copy()
    other.X = convert(adata.X.toarray())
    np.testing.assert_allclose(model.get_latent_representation(other), z, atol=1e-5)


def test_some_cells_are_read_as_among_all(model, adata, z):
    np.testing.assert_allclose(model.get_latent_representation(indices=[5, 3], batch_size=1), z[[5, 3]], atol=1e-5)
    np.testing.assert_allclose(model.get_latent_representation(adata[10:20]), z[10:20], atol=1e-5)


def test_expression_is_shares_of_a_cell(model, adata):
    table = model.get_normalized_expression(library_size=100.0)
    np.testing.assert_allclose(table.sum(1), 100.0, rtol=1e-4)
    some = model.get_normalized_expression(
        gene_list=["gene5", adata.var_names[0]] if "gene5" in table else table.columns[:2], indices=[4]
    )
    assert some.shape == (1, 2)
    np.testing.assert_allclose(some.to_numpy(), table.loc[some.index, some.columns] / 100.0, rtol=1e-4)
    with pytest.raises(KeyError, match="no gene 'Nothing'"):
        model.get_normalized_expression(gene_list=["Nothing"])


def test_batches_have_levels_of_their_own_and_no_units(model, adata, z):
    # The levels of the batches differ as they were simulated to
    level = model.module.level.detach().numpy()
    found = (level[0] - level[1]) - (level[0] - level[1]).mean()
    counts = np.asarray([adata[adata.obs["batch"] == name].X.sum(0) for name in adata.obs["batch"].cat.categories])
    counts = counts.reshape(2, -1)
    observed = np.log(counts[0] + 1) - np.log(counts[1] + 1)
    assert np.corrcoef(found, observed)[0, 1] > 0.8
    code = adata.obs["batch"].cat.codes.to_numpy()
    apart = [abs(np.corrcoef(code, column)[0, 1]) for column in z.T if column.std() > 0]
    assert max(apart) < 0.35


def test_statistics_are_those_of_the_units(model, adata, z):
    table = model.unit_statistics()
    np.testing.assert_allclose(table["mean"], z.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(table["std"], z.std(0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(table["max"], z.max(0), rtol=1e-5)
    np.testing.assert_allclose(table["fraction_on"], (z > 0).mean(0), rtol=1e-6)
    # What the likelihood loses without the first unit, by hand
    first = table["order"].to_numpy().argmin()
    x = torch.from_numpy(adata.X.toarray())
    tensors = {"X": x, "batch": torch.from_numpy(adata.obs["batch"].cat.codes.to_numpy().astype(np.int64))}
    with torch.no_grad():
        units = torch.from_numpy(z)
        without = units.clone()
        without[:, first] = 0.0
        loss = [float(model.module.reconstruction(tensors, given).mean()) for given in (units, without)]
    assert table["reconstruction_effect"].iloc[first] == pytest.approx(loss[1] - loss[0], rel=1e-3)
    assert table["reconstruction_effect"].iloc[first] == table["reconstruction_effect"].max() > 0
    silent = z.max(0) == 0
    assert table["vanished"].to_numpy()[silent].all()
    assert not table["vanished"].iloc[first]


def unknown_batch(adata, model):
    cells = adata.copy()
    del cells.obs["batch"]
    return scpi.model.GeneProgramAE.prepare_query_anndata(cells, model)


def test_units_are_explained_by_genes(model, adata, z):
    target = model.attribution_target("latent")
    counts = torch.from_numpy(adata.X.toarray()[:5])
    with torch.no_grad():
        x = target.transform(counts)
        # At the mean level of the batches, as cells of an unknown one
        expected = model.get_latent_representation(unknown_batch(adata[:5], model))
        np.testing.assert_allclose(target.function(x).numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(target.head(x @ target.projection).numpy(), expected, atol=1e-5)
    decoder = model.decoder_target()
    expected = np.log(model.get_normalized_expression(indices=range(5)).to_numpy())
    with torch.no_grad():
        np.testing.assert_allclose(decoder.function(torch.from_numpy(z[:5])).numpy(), expected, rtol=1e-4)
    with pytest.raises(ValueError, match="must be 'latent'"):
        model.attribution_target("logit")


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson", "gaussian"])
def test_every_likelihood_learns(programs, train, likelihood):
    model = train(programs.copy(), n_units=4, likelihood=likelihood, max_epochs=8, n_hidden=(16,))
    loss = model.history["reconstruction_train"].iloc[:, 0].astype(float)
    assert loss.iloc[-1] < loss.iloc[0]
    assert np.isfinite(model.get_normalized_expression(return_numpy=True)).all()


@pytest.mark.parametrize(
    ("kind", "max_epochs"),
    [
        pytest.param("weights", 40, marks=pytest.mark.slow),
        ("activations", 10),
        pytest.param("decoder", 10, marks=pytest.mark.slow),
        pytest.param("total_correlation", 10, marks=pytest.mark.slow),
    ],
)
def test_orthogonality_falls_when_it_is_asked_for(programs, train, kind, max_epochs):
    options = {
        "n_units": 6,
        "orthogonality": kind,
        "warmup": 0.0,
        "max_epochs": max_epochs,
        "data_init": False,
        "unit_weight": 0.0,
    }
    without = train(programs.copy(), **options, orthogonality_weight=1e-9)
    found = train(programs.copy(), **options, orthogonality_weight=1000.0)
    last = [m.history["orthogonality_train"].iloc[-1, 0] / m.preset_.orthogonality_weight for m in (without, found)]
    assert last[1] < 0.7 * last[0]


def test_settings_of_the_publication():
    for name, weight, lr in (("paul", 0.05, 1e-3), ("pbmc", 0.05, 1e-3), ("velten", 1.0, 2e-11)):
        preset = PRESETS[name]
        assert (preset.n_hidden, preset.n_units, preset.decoder_hidden) == ((128,), 64, (128,))
        assert (preset.likelihood, preset.depth, preset.transform) == ("poisson", False, "counts")
        assert (preset.orthogonality, preset.orthogonality_weight, preset.lr) == ("weights", weight, lr)
        assert (preset.optimizer, preset.batch_size, preset.max_epochs, preset.check_every) == ("sgd", 1, 500, 10)


def test_the_published_network_is_that_of_the_formulas(programs, train):
    model = train(programs.copy(), preset="paul", max_epochs=1, batch_size=32)
    x = torch.from_numpy(programs.X.toarray())
    module = model.module

    def softplus(a):
        return torch.nn.functional.softplus(a, beta=a.shape[1])

    with torch.no_grad():
        z = softplus(module.to_units(softplus(module.first(x))))
        np.testing.assert_allclose(model.get_latent_representation(), z.numpy(), rtol=1e-5, atol=1e-5)
        rate = softplus(softplus(module.decoder[0](z)) @ module.weight + module.level)
        loss = (rate - x * rate.clamp(min=1e-8).log()).mean()
        assert float(module.reconstruction({"X": x}, z).mean()) == pytest.approx(float(loss), rel=1e-5)
        weight = module.to_units.weight
        orthogonality = 0.05 * torch.linalg.matrix_norm(torch.eye(64) - weight @ weight.T)
        losses = module.losses({"X": x, "input": x}, n_cells=len(x))
        assert float(losses["orthogonality"]) == pytest.approx(float(orthogonality), rel=1e-5)
        assert set(losses) == {"reconstruction", "orthogonality"}


def test_training_stops_where_the_publication_does(programs, train):
    # A learning rate of nothing gains nothing: two checks, the first of which sets the mark
    model = train(programs.copy(), preset="paul", max_epochs=8, batch_size=32, lr=1e-30, check_every=2)
    assert len(model.history["reconstruction_train"]) == 4


class TestMasks:
    @pytest.fixture(scope="class")
    def known(self, programs):
        adata = programs.copy()
        member = np.asarray(programs.varm["programs"])[:, :2] != 0
        sets = {f"set {k}": list(adata.var_names[member[:, k]]) for k in range(2)}
        scpi.tl.gene_sets(adata, sets)
        return adata

    def test_a_hard_mask_keeps_weights_inside(self, known, train):
        model = train(known.copy(), n_units=2, mask="hard", max_epochs=10)
        assert model.units_ == ["set 0", "set 1", "unit_0", "unit_1"]
        weights = model.get_loadings()
        inside = known.varm["gene_sets"].toarray()
        assert (weights.to_numpy()[:, :2][~inside] == 0).all()
        assert (weights.to_numpy()[:, :2][inside] != 0).mean() > 0.9
        assert (weights.to_numpy()[:, 2:] != 0).mean() > 0.9
        found = scpi.metrics.association(model.get_latent_representation(), known.obsm["programs"])
        assert found[0].argmax() == 0
        assert found[1].argmax() == 1

    def test_a_soft_mask_makes_others_dear(self, known, train):
        share = {}
        inside = known.varm["gene_sets"].toarray()
        for outside in (1.0, 100.0):
            model = train(known.copy(), mask="soft", outside=outside, max_epochs=20)
            assert model.units_ == ["set 0", "set 1"]
            size = np.abs(model.get_loadings().to_numpy())
            share[outside] = size[~inside].sum() / size.sum()
        assert share[100.0] < 0.5 * share[1.0]

    def test_a_mask_needs_sets(self, programs):
        scpi.model.GeneProgramAE.setup_anndata(adata := programs.copy())
        with pytest.raises(ValueError, match="`mask` needs gene sets"):
            scpi.model.GeneProgramAE(adata, mask="hard")


class TestCovariates:
    """Sex and a number shift genes, and program 1 is more frequent in one sex."""

    KEYS = {"categorical_covariate_keys": ["sex"], "continuous_covariate_keys": ["score"]}

    @pytest.fixture(scope="class")
    def shifted(self):
        adata = scpi.datasets.gene_programs(600, 120, 3, n_genes_per_program=20, n_batches=2, confounding=0.85, rng=5)
        adata.obs["sex"] = adata.obs["batch"].map({"Batch1": "f", "Batch2": "m"})
        rng = np.random.default_rng(6)
        adata.obs["score"] = rng.normal(3.0, 2.0, adata.n_obs)
        slope = rng.normal(0.0, 0.3, adata.n_vars)
        counts = adata.X.toarray() * np.exp(np.outer((adata.obs["score"] - 3.0) / 2.0, slope))
        adata.X = sparse.csr_matrix(rng.poisson(counts).astype(np.float32))
        adata.var["slope"] = slope
        return adata

    @pytest.fixture(scope="class")
    def model(self, shifted, train):
        return train(shifted, setup=self.KEYS, n_units=6, max_epochs=60, seed=0)

    def test_levels_and_slopes_are_those_that_were_simulated(self, model, shifted):
        rows = model.module.level_rows().detach().numpy()
        assert rows.shape == (4, 120)
        batch = np.log(shifted.varm["batch_factor"].to_numpy())
        others = (shifted.varm["programs"].to_numpy() == 0).all(axis=1)
        assert np.corrcoef((rows[1] - rows[2])[others], (batch[:, 0] - batch[:, 1])[others])[0, 1] > 0.9
        assert np.corrcoef(rows[3][others], shifted.var["slope"][others])[0, 1] > 0.9
        # The genes of the confounded program have no other levels than the rest
        difference = rows[1] - rows[2] - (batch[:, 0] - batch[:, 1])
        member = shifted.varm["programs"]["Program1"].to_numpy() != 0
        assert abs(difference[member].mean() - difference[others].mean()) < 0.15

    def test_units_follow_the_program_and_not_the_covariates(self, model, shifted):
        z, truth = model.get_latent_representation(), shifted.obsm["programs"]["Program1"].to_numpy()
        best = max(abs(stats.spearmanr(column, truth).statistic) for column in z.T if column.std() > 0)
        assert best > 0.85
        score = shifted.obs["score"].to_numpy()
        needed = model.unit_statistics()["reconstruction_effect"].to_numpy() > 1.0
        assert needed.sum() == 3
        assert max(abs(stats.spearmanr(column, score).statistic) for column in z[:, needed].T) < 0.2

    def test_round_trip_and_new_cells(self, model, shifted, tmp_path):
        model.save(tmp_path / "model")
        loaded = scpi.model.GeneProgramAE.load(tmp_path / "model", adata=shifted)
        z = model.get_latent_representation()
        np.testing.assert_allclose(loaded.get_latent_representation(), z, atol=1e-6)
        np.testing.assert_allclose(model.get_latent_representation(shifted[:40]), z[:40], atol=1e-5)
        other = shifted[:10].copy()
        other.obs["sex"] = "unknown"
        with pytest.raises(ValueError, match=r"The covariate 'sex' has no category 'unknown' .* knows 'f', 'm'"):
            model.get_latent_representation(other)
        del other.obs["sex"]
        with pytest.raises(KeyError, match="'sex' is not a column of `adata.obs`"):
            model.get_latent_representation(other)
        prepared = scpi.model.GeneProgramAE.prepare_query_anndata(shifted[:40, 10:].copy(), model)
        assert np.isfinite(model.get_latent_representation(prepared)).all()
        table = model.unit_statistics()
        assert (table["reconstruction_effect"] >= -1e-3).all()

    def test_new_batches_are_fitted_beside_covariates(self, shifted, train):
        shifted = shifted.copy()
        shifted.obs["lane"] = np.where(np.arange(shifted.n_obs) % 2, "one", "two")
        model = train(shifted, setup=self.KEYS | {"batch_key": "lane"}, n_units=4, max_epochs=3)
        query = shifted[:100].copy()
        query.obs["lane"] = "three"
        fitted = scpi.model.GeneProgramAE.load_query_data(query, model)
        before = fitted.module.level.detach().clone()
        assert before.shape == (2 + 1 + 2 + 1, 120)
        torch.testing.assert_close(before[[0, 1, 3, 4, 5]], model.module.level.detach())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.train(max_epochs=2, accelerator="cpu", enable_progress_bar=False)
        moved = (fitted.module.level.detach() - before).abs().amax(1) > 0
        assert moved.tolist() == [False, False, True, False, False, False]

    def test_a_mudata_has_covariates_too(self, shifted):
        mdata = MuData({"rna": shifted.copy()})
        mdata.obs["sex"] = shifted.obs["sex"].astype(str).to_numpy()
        arguments = {"categorical_covariate_keys": ["sex"], "continuous_covariate_keys": ["score"]}
        where = {"layer": "rna", "continuous_covariate_keys": "rna"}
        scpi.model.GeneProgramAE.setup_mudata(mdata, **arguments, modalities=where)
        model = scpi.model.GeneProgramAE(mdata, n_units=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
        assert model.module.level.shape == (4, 120)
        assert np.isfinite(model.get_latent_representation()).all()


class TestQuery:
    def test_genes_in_another_order_are_found(self, model, adata, z):
        shuffled = adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()
        with pytest.raises(ValueError, match="other order|order"):
            model.get_latent_representation(shuffled)
        prepared = scpi.model.GeneProgramAE.prepare_query_anndata(shuffled, model)
        np.testing.assert_allclose(model.get_latent_representation(prepared), z, atol=1e-5)
        assert prepared.uns["gene_overlap"]["fraction_found"] == 1.0
        assert (model.gene_overlap(prepared) == 1.0).all()

    def test_missing_genes_are_neutral(self, model, adata, z):
        kept = np.delete(np.arange(adata.n_vars), np.random.default_rng(1).choice(adata.n_vars, 20, replace=False))
        prepared = scpi.model.GeneProgramAE.prepare_query_anndata(adata[:, kept].copy(), model)
        assert prepared.uns["gene_overlap"]["n_found"] == 100
        assert prepared.var["missing"].sum() == 20
        found = model.get_latent_representation(prepared)
        # Units say nearly the same without a sixth of the genes
        strong = z.std(0) > 0.1
        assert np.corrcoef(found[:, strong].ravel(), z[:, strong].ravel())[0, 1] > 0.9
        weights = model.get_loadings().to_numpy()
        share = (weights[kept] ** 2).sum(0) / (weights**2).sum(0)
        np.testing.assert_allclose(model.gene_overlap(prepared), share, rtol=1e-5)

    def test_cells_without_a_batch_are_of_an_unknown_one(self, model, adata, z):
        prepared = unknown_batch(adata[:50], model)
        assert set(prepared.obs["batch"]) == {"unknown"}
        # Without the correction for a batch, units are close to those with it
        found = model.get_latent_representation(prepared)
        assert np.abs(found - z[:50]).mean() < 0.2 * z[:50].std()

    def test_other_identifiers_are_refused(self, model, adata):
        other = adata.copy()
        other.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
        with pytest.raises(ValueError, match="None of the 120 genes of the model"):
            scpi.model.GeneProgramAE.prepare_query_anndata(other, model)

    def test_a_new_batch_has_the_mean_level_until_it_is_fitted(self, model, adata):
        first = np.flatnonzero(adata.obs["batch"] == adata.obs["batch"].cat.categories[0])
        query = adata[first].copy()
        query.obs["batch"] = "new"
        before, own = model.module.level.detach().clone(), model.get_latent_representation(adata[first].copy())
        units = model.get_latent_representation(query)
        fitted = scpi.model.GeneProgramAE.load_query_data(query, model)
        assert len(fitted.module.level) == len(before) + 1
        torch.testing.assert_close(fitted.module.level[-1].detach(), before.mean(0))
        np.testing.assert_allclose(fitted.get_latent_representation(), units, atol=1e-5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted.train(max_epochs=60, accelerator="cpu", enable_progress_bar=False)
        torch.testing.assert_close(fitted.module.level[:-1].detach(), before)
        counts, z = torch.from_numpy(query.X.toarray()), torch.from_numpy(units)
        code = torch.full((len(counts),), len(before))
        with torch.no_grad():
            loss = [float(m.module.reconstruction({"X": counts, "batch": code}, z).mean()) for m in (fitted, model)]
        assert loss[0] < loss[1] - 0.5
        # With a level, the units are those of the cells as cells of the batch that they are from
        after = fitted.get_latent_representation()
        assert np.square(after - own).mean() < 0.5 * np.square(units - own).mean()

    def test_without_batches_there_is_nothing_to_fit(self, programs, train):
        model = train(programs.copy(), n_units=2, max_epochs=1)
        with pytest.raises(ValueError, match="set up without batches"):
            scpi.model.GeneProgramAE.load_query_data(programs.copy(), model)


def test_a_mudata_is_read_as_its_modality(programs, brief):
    rna = programs.copy()
    mdata = MuData({"rna": rna, "other": ad.AnnData(np.ones((rna.n_obs, 2)), obs=pd.DataFrame(index=rna.obs_names))})
    mdata.obs["batch"] = rna.obs["batch"].astype(str).to_numpy()
    scpi.model.GeneProgramAE.setup_mudata(mdata, batch_key="batch", modalities={"layer": "rna"})
    of_mudata = scpi.model.GeneProgramAE(mdata, n_units=6)
    of_mudata.train(max_epochs=5, accelerator="cpu", enable_progress_bar=False)
    np.testing.assert_allclose(of_mudata.get_latent_representation(), brief, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"preset": "paper"}, ValueError, "`preset` must be one of"),
        ({"n_units": 0}, ValueError, "`n_units` must be at least 1"),
        ({"likelihood": "binomial"}, ValueError, "`likelihood` must be one of"),
        ({"orthogonality": "data"}, ValueError, "`orthogonality` must be one of"),
        ({"warmup": 1.0}, ValueError, "`warmup` must be at least 0 and below 1"),
        ({"depths": True}, TypeError, "`GeneProgramAE` has no setting 'depths'"),
        ({"mask": "firm"}, ValueError, "`mask` must be 'hard', 'soft' or None"),
    ],
)
def test_settings_that_cannot_be(programs, options, error, message):
    scpi.model.GeneProgramAE.setup_anndata(adata := programs.copy())
    with pytest.raises(error, match=message):
        scpi.model.GeneProgramAE(adata, **options)


def test_fractions_are_no_counts(programs):
    adata = programs.copy()
    adata.X = adata.X / 2.0
    with pytest.raises(ValueError, match="layer"):
        scpi.model.GeneProgramAE.setup_anndata(adata)


def test_an_untrained_model_says_so(programs):
    scpi.model.GeneProgramAE.setup_anndata(adata := programs.copy())
    model = scpi.model.GeneProgramAE(adata, n_units=2)
    with pytest.raises(RuntimeError, match="trained"):
        model.get_latent_representation()


@pytest.mark.parametrize("n_cells", [2, 100, 300])
def test_the_shortest_training_is_no_error(programs, train, n_cells):
    model = train(programs[:n_cells].copy(), n_units=2, max_epochs=1)
    assert len(model.history["objective_train"]) == 1
    assert np.isfinite(model.get_latent_representation()).all()


def test_genes_and_cells_without_counts(programs, train):
    adata = programs.copy()
    counts = adata.X.toarray()
    counts[:, 3] = 0
    counts[7] = 0
    adata.X = sparse.csr_matrix(counts)
    model = train(adata, n_units=4, max_epochs=3)
    assert np.isfinite(model.get_latent_representation()).all()
    assert np.isfinite(model.unit_statistics().drop(columns="vanished").to_numpy().astype(float)).all()
