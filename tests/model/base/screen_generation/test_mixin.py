"""Generation by a model of a screen whose latent unit and effects are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from scpi.model.base import ScreenModel
from scpi.model.base.screen_generation._mixin import ScreenGenerationMixin

GENES = 24
# Logarithm of what each perturbation does to each gene at dose 1
EFFECT = torch.zeros(4, GENES)
EFFECT[0, 0], EFFECT[1, 5], EFFECT[2, 10], EFFECT[3, 15] = np.log(4.0), -np.log(4.0), np.log(2.0), np.log(3.0)
THETA = 3.0


class Known(ScreenGenerationMixin, ScreenModel):
    """One latent unit, which is 2 in the second context, raises gene 20; effects are half as large there."""

    _reads_counts = True

    def __init__(self, adata):
        super().__init__(adata)
        self.module = SimpleNamespace(eval=lambda: self.module, device=torch.device("cpu"))
        self.is_trained_, self.train_indices = True, np.arange(adata.n_obs)
        self.trained_conditions_ = ["A", "B", "A+B"]

    def train(self):
        pass

    def _predict_cells(self, asked):
        raise NotImplementedError

    def _effect_of(self, adata, members, context):
        return torch.from_numpy(members.sum(0)) @ EFFECT * (0.5 if context else 1.0)

    def _decoded_rates(self, z, effect, batch):
        before = torch.zeros(len(z), GENES)
        before[:, 20] += z[:, 0]
        if batch is not None:
            before[:, 21] += batch[:, 0]
        return torch.log_softmax(before, 1), effect.expand(len(z), -1)

    def _inverse_overdispersion(self):
        return torch.full((GENES,), THETA)

    def _posterior(self, adata, cells):
        z = 2.0 * self._context_codes(adata)[cells].astype(np.float32)[:, None]
        return z, np.zeros_like(z)

    def _control_units(self, adata, context):
        return np.array([2.0 * context])

    @property
    def _n_units(self):
        return 1


class WithBatches(Known):
    _reads_batch = True


def made(adata, cls=Known, **setup):
    cls.setup_anndata(adata, **setup)
    return cls(adata)


def plan(**columns):
    return pd.DataFrame({"perturbation": ["A"], "cell_type": ["T"], "n_cells": [4000]} | columns)


@pytest.fixture(scope="module")
def adata(make_screen):
    return make_screen(conditions={"control": 160, "A": 40, "B": 40, "A+B": 20, "C": 10, "D": 10})


@pytest.fixture(scope="module")
def model(adata):
    return made(adata, context_key="cell_type")


def controls(adata, **where):
    keep = adata.obs["perturbation"] == "control"
    for column, value in where.items():
        keep &= adata.obs[column] == value
    return np.flatnonzero(keep)


def corrected(adata, cells, raised=()):
    """Fractions of the counts of controls, a count more on both sides, where few genes are decoded higher than others."""
    x = adata.X[cells].toarray().astype(float)
    before = np.ones(GENES)
    for gene, log in raised:
        before[gene] = np.exp(log)
    before /= before.sum()
    found = before * (x.sum(0) + 1) / (before * x.sum() + 1)
    return found / found.sum()


def test_counts_are_those_of_controls_times_the_effect(model, adata):
    cells = model.generate(plan(library=[300.0]))
    own = controls(adata, cell_type="T")
    assert set(cells.obs["source_cell"]) == set(adata.obs_names[own]) and set(cells.obs["status"]) == {"trained"}
    # Contexts are in the order of the alphabet
    fractions = corrected(adata, own, [(20, 2.0)])
    after = fractions * np.exp(0.5 * EFFECT[0].numpy())
    mean = 300 * after / after.sum()
    np.testing.assert_allclose(
        model.generate(plan(library=[300.0]), output="mean").X, np.tile(mean, (4000, 1)), rtol=1e-4
    )
    np.testing.assert_allclose(np.asarray(cells.X.mean(0)).ravel(), mean, rtol=0.08)
    np.testing.assert_allclose(cells.X.toarray().var(0), mean + mean**2 / THETA, rtol=0.2)
    # The whole is the measured mean of the controls, up to the count more
    measured = np.asarray(adata.X[own].sum(0)).ravel()
    np.testing.assert_allclose(fractions, measured / measured.sum(), rtol=0.02)


def test_totals_grow_with_the_effect_unless_they_are_given(model, adata):
    cells = model.generate(plan(n_cells=[200]))
    fractions = corrected(adata, controls(adata, cell_type="T"), [(20, 2.0)])
    growth = (fractions * np.exp(0.5 * EFFECT[0].numpy())).sum()
    total = np.asarray(adata[cells.obs["source_cell"]].X.sum(1)).ravel()
    assert growth > 1.02
    np.testing.assert_allclose(cells.obs["library"], growth * total, rtol=1e-5)
    np.testing.assert_allclose(
        model.generate(plan(perturbation=["control"])).obs["library"].mean(), total.mean(), rtol=0.05
    )
    assert (model.generate(plan(library=[50.0])).obs["library"] == 50).all()


@pytest.mark.parametrize(
    ("label", "status"),
    [("control", "trained"), ("B+A", "trained"), ("A+C", "unseen combination"), ("C+A+B", "unseen combination")],
)
def test_status_of_perturbations(model, label, status):
    cells = model.generate(plan(perturbation=[label], n_cells=[5]))
    assert set(cells.obs["status"]) == {status} and set(cells.obs["perturbation"]) == {label}


def test_status_of_pairs_and_of_what_has_no_training_cells(adata):
    model = made(adata.copy(), context_key="cell_type")
    left = ~((adata.obs["perturbation"] == "B") & (adata.obs["cell_type"] == "T")) & (adata.obs["perturbation"] != "D")
    model.train_indices = np.flatnonzero(left)
    wanted = pd.DataFrame({"perturbation": ["B", "B", "D", "A+D"], "cell_type": ["B", "T", "T", "T"], "n_cells": 1})
    assert model.generate(wanted).obs["status"].tolist() == ["trained", "unseen combination", "unseen", "unseen"]


def test_effects_depend_on_the_context(model, adata):
    cells = model.generate(
        pd.DataFrame({"perturbation": ["control", "A"] * 2, "cell_type": ["B", "B", "T", "T"], "n_cells": 1}),
        output="mean",
    )
    logs = np.log(cells.X / cells.obs["library"].to_numpy()[:, None])
    change = (logs[1::2] - logs[::2])[:, 0] - (logs[1::2] - logs[::2])[:, 3]
    np.testing.assert_allclose(change, np.log(4.0) * np.array([1.0, 0.5]), rtol=1e-4)


def test_cells_of_other_contexts_are_moved(model, adata):
    cells = model.generate(plan(n_cells=[300], library=[100.0]), match=[], output="mean")
    assert set(adata.obs.loc[cells.obs["source_cell"], "cell_type"]) == {"B", "T"}
    # All are decoded from the latent unit of the controls of the context
    np.testing.assert_allclose(cells.X, np.tile(cells.X[:1], (300, 1)), rtol=1e-5)
    with pytest.raises(ValueError, match="`match` must name categorical covariates of the model, 'cell_type', but"):
        model.generate(plan(), match="perturbation")


def test_a_context_without_training_controls_starts_from_others(adata):
    model = made(adata.copy(), context_key="cell_type")
    model.train_indices = np.flatnonzero(~((adata.obs["cell_type"] == "T") & (adata.obs["perturbation"] == "control")))
    cells = model.generate(plan(n_cells=[20], library=[100.0]), output="mean")
    assert set(adata.obs.loc[cells.obs["source_cell"], "cell_type"]) == {"B"}
    decoded = torch.zeros(GENES)
    decoded[20] = 2.0
    decoded = torch.softmax(torch.log_softmax(decoded, 0) + 0.5 * EFFECT[0], 0)
    np.testing.assert_allclose(cells.X, np.tile(100 * decoded.numpy(), (20, 1)), rtol=1e-4)


def test_batches_that_the_network_reads(adata):
    model = made(adata.copy(), WithBatches, context_key="cell_type", batch_key="batch")
    assert model._covariates().names == ["perturbation", "cell_type", "batch"]
    cells = model.generate(plan(batch="b2", library=[200.0], perturbation=["control"]))
    own = controls(adata, cell_type="T", batch="b2")
    assert set(cells.obs["source_cell"]) == set(adata.obs_names[own])
    mean = 200 * corrected(adata, own, [(20, 2.0), (21, 1.0)])
    np.testing.assert_allclose(np.asarray(cells.X.mean(0)).ravel(), mean, rtol=0.08)
    # A batch that the network does not read is no covariate
    assert made(adata.copy(), batch_key="batch")._covariates().names == ["perturbation"]


def test_doses(adata):
    model = made(adata.copy(), dose_key="dose")
    wanted = pd.DataFrame({"perturbation": "A", "dose": [0.0, 0.5, 1.0], "n_cells": 1, "library": 100.0})
    logs = np.log(model.generate(wanted, output="mean").X)
    np.testing.assert_allclose(np.diff(logs[:, 0] - logs[:, 1]), [np.log(2.0)] * 2, rtol=1e-3)
    with pytest.warns(UserWarning, match="The dose 7 lies outside of the measured range, 0.5 to 1"):
        model.generate(wanted.assign(dose=7.0))
    with pytest.warns(UserWarning, match="The dose 7 lies"):
        model.counterfactual(perturbation="A", dose=7.0, indices=[0])


@pytest.mark.parametrize("output", ["counts", "mean"])
def test_controls_under_a_perturbation(model, adata, output):
    own = controls(adata, cell_type="B")
    cells = model.counterfactual(perturbation="B+A", indices=own, output=output)
    assert cells.obs_names.tolist() == adata.obs_names[own].tolist() and set(cells.obs["perturbation"]) == {"B+A"}
    before, after = adata.X[own].toarray(), cells.X if output == "mean" else cells.X.toarray()
    ratio = np.exp((EFFECT[0] + EFFECT[1]).numpy())
    np.testing.assert_allclose(after[:, 20:], before[:, 20:], atol=1e-5)
    np.testing.assert_allclose(after.mean(0), before.mean(0) * ratio, rtol=0.02 if output == "mean" else 0.2)
    assert cells.uns["prediction"]["model"] == "Known"


def test_perturbed_cells_under_another_perturbation_and_in_another_context(model, adata):
    own = np.flatnonzero((adata.obs["perturbation"] == "A") & (adata.obs["cell_type"] == "B"))
    before = adata.X[own].toarray()
    back = model.counterfactual(perturbation="control", indices=own, output="mean").X
    np.testing.assert_allclose(back[:, :2], before[:, :2] * [0.25, 1.0], atol=1e-4)
    moved = model.counterfactual(cell_type="T", indices=own, output="mean").X
    profiles = [corrected(adata, controls(adata, cell_type=name), [(20, z)]) for name, z in (("B", 0.0), ("T", 2.0))]
    ratio = np.log(profiles[1] / profiles[0]) - 0.5 * EFFECT[0].numpy()
    falls = ratio < 0
    np.testing.assert_allclose(moved.mean(0)[falls], (before.mean(0) * np.exp(ratio))[falls], rtol=1e-4)


def test_cells_of_a_new_context(model, make_screen):
    new = make_screen(conditions={"control": 30}, rng=1)
    new.obs["cell_type"] = "NK"
    new.obs.loc[new.obs_names[:1], "perturbation"] = "A"
    cells = model.counterfactual(new, perturbation="A", indices=np.arange(1, 30), output="mean")
    before = new.X[1:].toarray()
    np.testing.assert_allclose(cells.X[:, 0].mean() / before[:, 0].mean(), 2.0, rtol=0.1)


def test_tests_of_generated_cells(model, adata):
    wanted = pd.DataFrame([(p, c) for p in ("control", "A") for c in ("B", "T")], columns=["perturbation", "cell_type"])
    wanted = wanted.assign(n_cells=40, library=80.0)
    tested = model.generate_de(wanted, "perturbation", reference="control", sample_key="cell_type", n_draws=2)
    assert tested.n_obs == 8 and tested.uns["limma"]["names"]["A"][0] == "g0"
    with pytest.raises(ValueError, match="the covariates of the model are 'perturbation', 'cell_type'.*not replicates"):
        model.generate_de(wanted.assign(donor="d"), "perturbation", reference="control", sample_key="donor")


def test_what_is_refused(model, adata):
    with pytest.raises(ValueError, match=r"Unknown perturbation 'Z'.*'A', 'B', 'C', 'D'"):
        model.generate(plan(perturbation=["A+Z"]))
    with pytest.raises(ValueError, match="'cell_type' has no category 'NK' in this model, which knows 'B', 'T'"):
        model.generate(plan(cell_type=["NK"]))
    with pytest.raises(ValueError, match=r"Unknown perturbation 'Z'"):
        model.counterfactual(perturbation="Z")
    with pytest.raises(ValueError, match="The prior of the latent units covers cells of all contexts"):
        model.generate(plan(), latent="prior")
    assert made(adata.copy()).generate(plan(n_cells=[3]), latent="prior").n_obs == 3


class WithoutCounts(Known):
    _reads_counts = False


def test_a_likelihood_without_counts_is_refused(adata):
    model = made(adata.copy(), WithoutCounts)
    message = "This WithoutCounts has no likelihood of counts.*`likelihood='nb'`, or call `predict`"
    for call in (
        lambda: model.generate(plan()),
        lambda: model.counterfactual(perturbation="A"),
        lambda: model.generate_de(plan(), "perturbation", reference="control", sample_key="x"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
