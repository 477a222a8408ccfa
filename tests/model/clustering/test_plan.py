from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from scpi.model.base._constants import KEYS
from scpi.model.clustering._module import ClusteringModule
from scpi.model.clustering._plan import ClusteringPlan, _optimizer
from scpi.model.clustering._presets import SCDEEPCLUSTER
from scpi.model.clustering._self_training import squared_distances, target_distribution

# Three groups, of which the second is the largest; the cell at place 2 is not trained on
CELLS = torch.tensor([[0.0, 0], [0, 1], [50, 50], [9, 9], [9, 10], [9, 11], [20, 0], [20, 1]])
TRAINED = np.array([0, 1, 3, 4, 5, 6, 7])


class Plane(ClusteringModule):
    """The input as its own embedding."""

    has_target = True

    def __init__(self, **changes):
        super().__init__(2, preset=replace(SCDEEPCLUSTER["scpi"], n_latent=2, **changes), n_clusters=0)
        self.encoder = nn.Identity()

    def logits(self, z):
        return -squared_distances(z, self.centroids)

    def representation_losses(self, tensors):
        return {"reconstruction": tensors[KEYS.INPUT].mean()}


@pytest.fixture
def make_plan():
    def make_plan(epoch=0, n_cluster_epochs=3, n_clusters=3, **changes):
        data = SimpleNamespace(training_inputs=lambda: CELLS[TRAINED].split(4), dataset=CELLS, train_idx=TRAINED)
        plan = ClusteringPlan(
            Plane(**changes),
            data=data,
            n_epochs=10,
            n_cluster_epochs=n_cluster_epochs,
            n_clusters=n_clusters,
            find_clusters="stability",
            resolution=1.0,
            seed=0,
        )
        plan.trainer = SimpleNamespace(current_epoch=epoch, should_stop=False)
        return plan

    return make_plan


def test_centroids_are_the_means_of_the_training_cells_of_each_group(make_plan):
    plan = make_plan()
    plan.place_centroids()
    found = plan.module.centroids.detach().numpy()
    np.testing.assert_allclose(found[0], [9, 10], atol=1e-6)
    np.testing.assert_allclose(found[1:][np.argsort(found[1:, 0])], [[0, 0.5], [20, 0.5]], atol=1e-6)


def test_an_assignment_counts_the_cells_that_changed_and_sets_the_targets(make_plan):
    plan = make_plan()
    plan.module.set_centroids(torch.tensor([[9.0, 10], [0, 0.5], [20, 0.5]]))
    assert plan._assign() == 1.0
    assert plan._assign() == 0.0
    plan.module.set_centroids(torch.tensor([[9.0, 10], [0, 0.5], [8.0, 11.4]]))
    soft = torch.softmax(plan.module.logits(CELLS[TRAINED]), 1).detach()
    changed = np.mean(soft.argmax(1).numpy() != [1, 1, 0, 0, 0, 2, 2])
    assert 0 < changed < 1 and plan._assign() == pytest.approx(changed)
    torch.testing.assert_close(plan._target[TRAINED], target_distribution(soft))
    assert not plan._target[2].any()


@pytest.mark.parametrize(
    ("cosine_epochs", "epoch", "factor"), [(None, 0, 1.0), (None, 5, 0.5005), (20, 5, 0.8538), (0, 9, 1.0)]
)
def test_the_learning_rate_falls_along_a_half_cosine(make_plan, monkeypatch, cosine_epochs, epoch, factor):
    plan = make_plan(epoch, cosine_epochs=cosine_epochs, lr=0.1)
    optimizer = SimpleNamespace(param_groups=[{"lr": None}])
    monkeypatch.setattr(plan, "_optimizers", lambda: [optimizer])
    plan.on_train_epoch_start()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * factor, rel=1e-3)


def test_the_second_phase_begins_after_the_epochs_of_the_first_and_ends_when_clusters_settle(make_plan, monkeypatch):
    plan, logged = make_plan(10, cluster_lr=0.7), {}
    monkeypatch.setattr(plan, "log_dict", logged.update)
    plan.on_train_epoch_start()
    assert len(plan.module.centroids) == 3 and plan._clustering_since == 10
    assert [group["lr"] for group in plan.trainer.optimizers[0].param_groups] == [0.7]
    plan.on_train_epoch_end()
    assert logged["label_change"] == 0.0 and plan.trainer.should_stop


@pytest.mark.parametrize("n_cluster_epochs", [0, 3])
def test_the_first_phase_ends_when_its_loss_has_not_fallen_for_long(make_plan, n_cluster_epochs):
    plan, converged = make_plan(n_cluster_epochs=n_cluster_epochs, patience=2), []
    for epoch, loss in enumerate((3.0, 2.0, 2.5, 2.1)):
        plan.trainer.current_epoch = epoch
        plan._watch(loss)
        converged.append(plan._converged)
    assert converged == [False, False, False, True]
    assert plan.trainer.should_stop == (n_cluster_epochs == 0)


def test_optimisers_have_the_published_settings():
    parameters = [nn.Parameter(torch.zeros(1))]
    adadelta = _optimizer("adadelta", parameters, 1.0)
    assert isinstance(adadelta, torch.optim.Adadelta)
    assert (adadelta.defaults["rho"], adadelta.defaults["eps"], adadelta.defaults["lr"]) == (0.95, 1e-7, 1.0)
    assert _optimizer("amsgrad", parameters, 0.1).defaults["amsgrad"]
    assert not _optimizer("adam", parameters, 0.1).defaults["amsgrad"]
