from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import torch

import scpi
from scpi.model.base.effects._fold_changes import from_log_level, log_level
from scpi.model.base.effects._regression import chosen_ridge_weights, shrinkage
from scpi.model.base.prediction._predict import Counterfactual
from scpi.model.multitask._kriging import Noise, kriged_changes


def change(model, **kwargs):
    predicted = model.predict(perturbation="drug", **kwargs, output="mean")
    return model._to_log_scale(np.asarray(predicted.X)).mean(0) - _start(model, predicted)


def _start(model, predicted):
    rows = model.adata[predicted.obs["source_cell"].tolist()].X.toarray()
    return model._to_log_scale(rows).mean(0)


def means(adata, context, label):
    own = (adata.obs["context"] == context) & (adata.obs["perturbation"] == label)
    return adata.X[own.to_numpy()].toarray().astype(float).mean(0)


@pytest.fixture(scope="module")
def model(make_contexts, fit):
    return fit(make_contexts(), epochs=15, lr=5e-3)


def transferred(model, seen, context):
    """Two thirds of the change: what contexts that were treated say, and the factor of the network.

    With fewer than three contexts, what is said is shrunk by its noise.
    """
    control = np.stack([means(model.adata, name, "control") for name in seen])
    treated = np.stack([means(model.adata, name, "drug") for name in seen])
    if len(seen) < 3:
        expression = model.module.kept_expression
        noise = Noise(*(expression.array(name) for name in Noise._fields))
        codes = [sorted(set(model.adata.obs["context"])).index(name) for name in seen]
        treated = control + kriged_changes(expression.profiles(), np.ones(1), codes, noise)
    own, kept = means(model.adata, context, "control"), shrinkage(control, treated - control)
    difference = kept * chosen_ridge_weights(control, treated - control, own) @ (treated - control)
    ratios = log_level(treated) - log_level(control)
    fold = from_log_level(kept * chosen_ridge_weights(control, ratios, own) @ ratios + log_level(own)) - own
    z = model.get_latent_representation()
    of_controls = ((model.adata.obs["context"] == context) & (model.adata.obs["perturbation"] == "control")).to_numpy()
    centre = torch.from_numpy(z[of_controls].mean(0, keepdims=True))
    shift = torch.from_numpy(model.get_shift(perturbation="drug", context=context)).float()
    with torch.no_grad():
        after = model.decoder_target(perturbation="drug").function(centre + shift)
        network = (after - model.decoder_target().function(centre))[0].double().numpy()
    of_fold, of_network = (float(part @ difference / (part @ part)) for part in (fold, network))
    return (difference + of_fold * fold) / 3, of_network / 3


def test_a_third_of_the_change_is_of_the_network_and_two_of_other_contexts(model):
    adata = model.adata
    rest, factor = transferred(model, ["a", "b", "c", "d"], "e")
    network = model.attribution_target("change", perturbation="drug", context="e")
    cells = np.flatnonzero((adata.obs["context"] == "e").to_numpy())
    x = torch.from_numpy(adata.X[cells].toarray())
    with torch.no_grad():
        expected = x + factor * network.function(network.transform(x)) + torch.from_numpy(rest).float()
    predicted = model.predict(perturbation="drug", context="e", output="mean")
    order = {name: row for row, name in enumerate(adata.obs_names[cells])}
    rows = [order[name] for name in predicted.obs["source_cell"]]
    np.testing.assert_allclose(predicted.X, expected[rows], atol=1e-4)


def test_the_latent_shift_is_a_ridge_regression_on_controls(model):
    adata, seen = model.adata, ["a", "b", "c", "d"]
    z = model.get_latent_representation().astype(float)

    def mean(context, label):
        return z[((adata.obs["context"] == context) & (adata.obs["perturbation"] == label)).to_numpy()].mean(0)

    control = np.stack([mean(name, "control") for name in seen])
    moved = np.stack([mean(name, "drug") for name in seen]) - control
    expected = chosen_ridge_weights(control, moved, mean("e", "control")) @ moved
    np.testing.assert_allclose(model.get_shift(perturbation="drug", context="e"), expected, atol=1e-4)


def test_a_context_never_treated_is_predicted(make_contexts, model):
    truth = make_contexts(missing=None)
    real = means(truth, "e", "drug") - means(truth, "e", "control")
    found = change(model, context="e")
    assert np.corrcoef(found, real)[0, 1] > 0.9
    assert np.linalg.norm(found - real) < 0.5 * np.linalg.norm(real)


def test_another_context_with_controls_of_its_own(model, make_contexts):
    new = make_contexts(missing=None, rng=3)
    new.obs["context"] = "f"
    new = new[(new.obs["perturbation"] == "control").to_numpy()].copy()
    predicted = model.predict(new, perturbation="drug", context="f", n_cells=20, output="mean")
    assert np.isfinite(predicted.X).all()
    assert (predicted.X.mean(0) - predicted.uns["prediction"]["control_mean"])[:10].mean() > 0.2


def test_the_control_stays(model):
    predicted = model.predict(perturbation="control", n_cells=9, output="mean")
    rows = model.adata[predicted.obs["source_cell"].tolist()].X.toarray()
    np.testing.assert_allclose(predicted.X, rows, atol=1e-5)


@pytest.mark.parametrize("coding", ["levels", "dose"])
def test_doses_between_and_beyond_those_measured(coding, make_contexts, fit):
    model = fit(make_contexts(doses=True), doses=True, coding=coding, epochs=15, lr=5e-3)
    sizes = [np.linalg.norm(change(model, context="e", dose=dose)) for dose in (0.5, 1.0, 2.0, 5.0, 10.0)]
    assert (np.diff(sizes) > 0).all()
    with pytest.warns(UserWarning, match="outside of the measured range"):
        change(model, context="e", dose=30.0)
    # Between levels the code is linear in the logarithm, and so is what fold changes and shifts are
    low, middle, high = (model.get_shift(perturbation="drug", context="e", dose=d) for d in (3.0, 5.0, 10.0))
    share = (np.log1p(5) - np.log1p(3)) / (np.log1p(10) - np.log1p(3))
    np.testing.assert_allclose(middle, (1 - share) * low + share * high, atol=0.25 * np.abs(high).max())


@pytest.fixture(scope="module")
def counts(make_contexts, fit):
    return fit(make_contexts(counts=True), epochs=40, lr=5e-3, likelihood="nb")


class TestCounts:
    def test_expected_counts_change_by_the_factor(self, counts, make_contexts):
        predicted = counts.predict(perturbation="drug", context="e", output="mean")
        start = counts.adata[predicted.obs["source_cell"].tolist()].X.toarray()
        ratio = predicted.X.mean(0) / start.mean(0)
        # Genes 0 to 9 rise e-fold, and their share of a cell takes from that of the others
        truth = make_contexts(counts=True, missing=None)
        own = (truth.obs["context"] == "e").to_numpy()
        treated = (truth.obs["perturbation"] == "drug").to_numpy()
        share = [np.asarray(truth.X[own & side].sum(0)).ravel() for side in (treated, ~treated)]
        real = np.log((share[0] / share[0].sum()) / (share[1] / share[1].sum()))
        assert np.corrcoef(np.log(ratio), real)[0, 1] > 0.95
        np.testing.assert_allclose(np.log(ratio)[:10].mean(), real[:10].mean(), rtol=0.35)
        np.testing.assert_allclose(np.log(ratio)[10:].mean(), real[10:].mean(), rtol=0.35)

    def test_draws_are_counts_with_these_expectations(self, counts):
        mean = counts.predict(perturbation="drug", context="e", n_cells=2000, output="mean").X
        drawn = counts.predict(perturbation="drug", context="e", n_cells=2000).X.toarray()
        assert (drawn == np.round(drawn)).all() and (drawn >= 0).all()
        np.testing.assert_allclose(drawn.mean(0), mean.mean(0), rtol=0.1, atol=0.05)

    def test_a_network_may_decode_counts_alone(self, make_contexts, fit):
        model = fit(make_contexts(counts=True), likelihood="nb", residual=False, transfer=0.0, epochs=5)
        drawn = model.predict(perturbation="drug", context="e", n_cells=2000).X.toarray()
        expected = model.predict(perturbation="drug", context="e", n_cells=2000, output="mean").X.mean(0)
        np.testing.assert_allclose(drawn.mean(0), expected, rtol=0.15, atol=0.1)


class TestSizeFactors:
    """They take the place of the sums of the counts, on any scale."""

    SETTINGS = {"likelihood": "nb", "target": "self+ot", "epochs": 2, "setup": {"size_factor_key": "size"}}

    @staticmethod
    def sized(adata, change=1.0):
        # Powers of 2 leave no difference of rounding
        adata.obs["size"] = 0.125 * change * np.asarray(adata.X.sum(1)).ravel()
        return adata

    def test_those_of_the_sums_change_nothing(self, make_contexts, fit):
        adata = self.sized(make_contexts(counts=True))
        sized, plain = fit(adata, **self.SETTINGS), fit(adata, **(self.SETTINGS | {"setup": None}))
        for weights, expected in zip(sized.module.parameters(), plain.module.parameters(), strict=True):
            torch.testing.assert_close(weights, expected, rtol=0, atol=0)
        np.testing.assert_array_equal(
            *(m.predict(perturbation="drug", context="e", output="mean").X for m in (sized, plain))
        )

    def test_they_are_the_depth_that_is_decoded(self, make_contexts, fit):
        change = np.random.default_rng(1).uniform(0.5, 2.0, make_contexts().n_obs)
        adata = self.sized(make_contexts(counts=True), change)
        model = fit(adata, **self.SETTINGS, residual=False, transfer=0.0)
        cells = model._control_cells(adata, context="e", indices=None)
        asked = Counterfactual(adata, cells, model.encode_perturbations(["drug"]), np.random.default_rng(0))
        # Counts that a size factor of 1 stands for: those of all training cells over their size factors
        scale = adata.X.sum() / adata.obs["size"].sum()
        for one in model._decoded(asked):
            expected = scale * adata.obs["size"].iloc[cells[one.rows]]
            np.testing.assert_allclose((one.depth * one.after.exp()).sum(1), expected, rtol=1e-4)

    def test_controls_are_at_this_depth(self, make_contexts, fit):
        change = np.random.default_rng(1).uniform(0.5, 2.0, make_contexts().n_obs)
        adata = self.sized(make_contexts(counts=True), change)
        model = fit(adata, **self.SETTINGS)
        depth = adata.obs["size"].to_numpy() * adata.X.sum() / adata.obs["size"].sum()
        control = ((adata.obs["perturbation"] == "control") & (adata.obs["context"] == "b")).to_numpy()
        logs = np.log1p(adata.X.toarray() / depth[:, None] * 1e4)
        np.testing.assert_allclose(model.module.kept_expression.profiles().control[1], logs[control].mean(0), rtol=1e-4)
        target = model.attribution_target("latent")
        size = torch.from_numpy(adata.obs["size"].to_numpy(np.float32))
        read = target.transform(torch.from_numpy(adata.X.toarray()), size)
        np.testing.assert_allclose(read, logs, rtol=1e-4)
        z = target.function(read).detach().numpy()
        np.testing.assert_allclose(model.get_latent_representation(), z, rtol=1e-4, atol=1e-5)


def test_the_published_network_decodes_cells(make_contexts, fit):
    model = fit(make_contexts(), preset="published", n_hidden=(16,), lr=1e-3, epochs=2)
    predicted = model.predict(perturbation="drug", context="e", output="mean")
    x = torch.from_numpy(model.adata[predicted.obs["source_cell"].tolist()].X.toarray())
    with torch.no_grad():
        code = torch.tensor([[0.0, 1.0]]).expand(len(x), -1)
        expected = model.module.decode(model.module.encode(x), code)
    np.testing.assert_allclose(predicted.X, expected, atol=1e-5)
    assert model.get_shift(perturbation="drug", context="e").tolist() == [0.0] * 8


def test_contexts_may_be_restricted(model):
    everything = change(model, context="e")
    model.restrict_to = ["a"]
    try:
        alone = change(model, context="e")
        rest, factor = transferred(model, ["a"], "e")
        network = model.attribution_target("change", perturbation="drug", context="e")
        x = torch.from_numpy(model.adata.X[(model.adata.obs["context"] == "e").to_numpy()].toarray())
        with torch.no_grad():
            expected = factor * network.function(x).mean(0).numpy() + rest
        np.testing.assert_allclose(alone, expected, atol=1e-4)
        assert not np.allclose(alone, everything, atol=1e-3)
    finally:
        model.restrict_to = None


def test_one_context_and_none(make_contexts, fit):
    adata = make_contexts()
    one = adata[(adata.obs["context"] == "a").to_numpy()].copy()
    real = means(one, "a", "drug") - means(one, "a", "control")
    model = fit(one, epochs=15, lr=5e-3)
    assert np.corrcoef(change(model, context="a"), real)[0, 1] > 0.95
    scpi.model.MultiTaskAE.setup_anndata(one)
    plain = scpi.model.MultiTaskAE(one, n_hidden=(16,), n_latent=4)
    plain.train(5, accelerator="cpu", enable_progress_bar=False)
    assert np.corrcoef(change(plain), real)[0, 1] > 0.9


def test_doses_of_one_context_that_do_nothing_change_nothing(make_contexts, fit):
    adata = make_contexts(doses=True)
    one = adata[(adata.obs["context"] == "a").to_numpy() & (adata.obs["perturbation"] == "control")].copy()
    one.obs["dose"] = np.resize([0.0, 1.0, 3.0, 10.0], one.n_obs)
    one.obs["perturbation"] = np.where(one.obs["dose"] == 0, "control", "drug")
    model = fit(one, doses=True, epochs=5, lr=5e-3)
    measured = means(one, "a", "drug") - means(one, "a", "control")
    assert np.linalg.norm(change(model, dose=2.0)) < 0.1 * np.linalg.norm(measured)


def test_targets_of_attributions(model):
    latent = model.attribution_target("latent")
    x = torch.from_numpy(model.adata.X[:6].toarray())
    np.testing.assert_allclose(
        latent.function(latent.transform(x)).detach(), model.get_latent_representation(indices=range(6)), atol=1e-5
    )
    assert list(latent.names) == [f"latent_{i}" for i in range(8)]
    decoder = model.decoder_target(perturbation="drug")
    assert decoder.function(torch.zeros(2, 8)).shape == (2, 30)
    with pytest.raises(ValueError, match="'change' with a `perturbation`"):
        model.attribution_target("change")


def test_interferon_in_a_type_of_blood_cells_that_was_never_stimulated(test_data):
    adata = ad.read_h5ad(test_data("kang_muscat.h5ad"))
    adata.obs["perturbation"] = np.where(adata.obs["condition"] == "ctrl", "control", "stim")
    adata.obs["context"] = adata.obs["cell_type"].astype(str)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=300)
    adata = adata[:, adata.var["highly_variable"]].copy()
    split = next(
        s for s in scpi.benchmark.splits.leave_context_out(adata, context_key="context") if s.name == "B cells"
    )
    scpi.model.MultiTaskAE.setup_anndata(adata, context_key="context")
    model = scpi.model.MultiTaskAE(adata, n_hidden=(64,), n_latent=20, lr=5e-3, batch_size=64)
    model.train(
        8, accelerator="cpu", enable_progress_bar=False, datasplitter_kwargs={"external_indexing": [split.train]}
    )
    predicted = model.predict(perturbation="stim", context="B cells", indices=split.start, output="mean")
    found = predicted.X.mean(0) - predicted.uns["prediction"]["control_mean"]
    real = np.asarray(adata.X[split.test].mean(0) - adata.X[split.reference].mean(0)).ravel()
    assert np.corrcoef(found, real)[0, 1] > 0.85
