from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.base import KEYS
from scpi.model.dgd._plan import DGDPlan, thinned


class Optimizers(DGDPlan):
    """A plan without a trainer."""

    def optimizers(self):
        return self.made

    def manual_backward(self, loss):
        loss.backward()


def make_plan(module, **kwargs):
    plan = Optimizers(
        module,
        **{"cells": np.arange(8), "n_epochs": 1, "n_batches": 10, "search_epoch": None, "n_components": None, "seed": 0}
        | kwargs,
    )
    plan.made = plan.configure_optimizers()
    return plan


def batch_of(tensors, rows):
    return {key: value[rows] for key, value in tensors.items()}


def test_a_step_leaves_the_representations_of_other_cells_alone(make_module):
    module, tensors = make_module()
    plan = make_plan(module)
    first, second = torch.tensor([0, 1, 2]), torch.tensor([3, 4])
    plan.training_step(batch_of(tensors, first), 0)
    before = module.representations.weight.detach().clone()
    plan.training_step(batch_of(tensors, second), 1)
    after = module.representations.weight.detach()
    # Not even by the momentum of the step before
    np.testing.assert_array_equal(after[[0, 1, 2, 5, 6, 7]], before[[0, 1, 2, 5, 6, 7]])
    assert (after[second] != before[second]).all()


def test_each_part_has_its_learning_rate(make_module):
    module, _ = make_module(lr=0.1, representation_lr=0.2, mixture_lr=0.3)
    plan = make_plan(module)
    assert [[group["lr"] for group in optimizer.param_groups] for optimizer in plan.made] == [[0.1], [0.2], [0.3]]
    owned = [{id(p) for group in o.param_groups for p in group["params"]} for o in plan.made]
    assert owned[1] == {id(module.representations.weight)}
    assert owned[2] == {id(p) for p in module.mixture.parameters()}
    assert not owned[0] & (owned[1] | owned[2])
    assert len(set().union(*owned)) == len(list(module.parameters()))
    published, _ = make_module(preset="published")
    assert [o.defaults["betas"] for o in make_plan(published).made] == [(0.5, 0.7)] * 3


def test_rates_fall_to_zero_and_that_of_the_decoder_rises_before(make_module):
    module, tensors = make_module()
    plan, rates = make_plan(module, n_batches=20), []
    for step in range(21):
        plan.training_step(tensors, step)
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in plan.made])
    decoder, representations, _ = np.array(rates).T
    assert decoder[0] == 0.0
    assert decoder.argmax() == 2
    assert (np.diff(representations) < 0).all()
    np.testing.assert_allclose(np.array(rates)[10], 0.5 * np.array([3e-3, 0.05, 0.01]), rtol=1e-6)
    np.testing.assert_allclose(rates[-1], 0.0, atol=1e-12)


def test_published_representations_move_at_the_end_of_an_epoch(make_module):
    module, tensors = make_module(preset="published")
    plan = make_plan(module)
    plan.log_dict = lambda values: None
    start = module.representations.weight.detach().clone()
    for rows in (torch.arange(4), torch.arange(4, 8)):
        plan.training_step(batch_of(tensors, rows), 0)
    np.testing.assert_array_equal(module.representations.weight.detach(), start)
    gradient = module.representations.weight.grad.to_dense().clone()
    assert (gradient != 0).all()
    plan.on_train_epoch_end()
    moved = module.representations.weight.detach() - start
    # The first step of Adam goes down the gradient by the learning rate
    np.testing.assert_allclose(moved, -0.01 * gradient.sign(), atol=1e-5)
    assert module.representations.weight.grad is None


def test_halves_add_up_and_are_the_same_every_time():
    tensors = {KEYS.X: torch.poisson(torch.full((50, 40), 5.0)), KEYS.SIZE_FACTOR: torch.full((50, 1), 3.0)}
    one, two = thinned(tensors, seed=3)
    torch.testing.assert_close(one[KEYS.X] + two[KEYS.X], tensors[KEYS.X])
    assert one[KEYS.SIZE_FACTOR].unique().tolist() == [1.5]
    assert one[KEYS.X].mean() == pytest.approx(2.5, abs=0.1)
    # Poisson counts give independent halves
    assert abs(np.corrcoef(one[KEYS.X].ravel(), two[KEYS.X].ravel())[0, 1]) < 0.06
    torch.testing.assert_close(thinned(tensors, seed=3)[0][KEYS.X], one[KEYS.X])
    assert not torch.equal(thinned(tensors, seed=4)[0][KEYS.X], one[KEYS.X])


def test_the_best_epoch_is_restored_with_all_its_parts(cells, train, monkeypatch):
    kept = []
    logged = DGDPlan._log_validation

    def rising(self, loss, n_cells):
        # The second check is the best
        kept.append({name: value.clone() for name, value in self.module.state_dict().items()})
        logged(self, torch.tensor(float(abs(len(kept) - 2))), n_cells)

    monkeypatch.setattr(DGDPlan, "_log_validation", rising)
    training = {"train_size": 0.8, "num_sanity_val_steps": 0}
    model = train(cells.copy(), max_epochs=5, training=training, n_components=2, search_epoch=0.0, check_every=1)
    assert len(kept) == 5
    state, trained = model.module.state_dict(), model.train_indices
    for name, value in kept[1].items():
        rows = trained if name == "representations.weight" else slice(None)
        np.testing.assert_array_equal(state[name][rows], value[rows], err_msg=name)
    assert not torch.equal(kept[1]["mixture.means"], kept[4]["mixture.means"])
    assert not torch.equal(kept[1]["representations.weight"][trained], kept[4]["representations.weight"][trained])


def test_validation_does_not_see_the_counts_that_it_scores(cells, train):
    # Counts that are all noise: representations of one half say nothing of the other
    adata = cells.copy()
    rng = np.random.default_rng(0)
    adata.X = rng.poisson(np.broadcast_to(rng.uniform(0.5, 3.0, adata.n_vars), adata.shape)).astype(np.float32)
    scpi.model.DGD.setup_anndata(adata)
    model = train(adata, max_epochs=20, training={"train_size": 0.5}, check_every=1)
    history = model.history["reconstruction_validation"].iloc[:, 0].astype(float)
    assert history.iloc[-1] > 0.99 * history.iloc[0]
