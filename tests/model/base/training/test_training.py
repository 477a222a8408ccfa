from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from scvi.module.base import BaseModuleClass, LossOutput

import scpi
from scpi.model.base import KEYS, NetworkTrainingMixin, ScreenModel
from scpi.model.base.training._training import check_ignored

QUIET = {"accelerator": "cpu", "enable_progress_bar": False}


class ToyModule(BaseModuleClass):
    """Learns the mean of the cells; the mean of a set is where its loss is least."""

    def __init__(self, n_genes):
        super().__init__()
        self.mean = torch.nn.Parameter(torch.zeros(n_genes))

    def _get_inference_input(self, tensors):
        return {}

    def inference(self):
        return {}

    def _get_generative_input(self, tensors, inference_outputs):
        return {}

    def generative(self):
        return {}

    def loss(self, tensors, inference_outputs, generative_outputs):
        return LossOutput(
            loss=(tensors[KEYS.X] - self.mean).square().sum(1).mean(), n_obs_minibatch=len(tensors[KEYS.X])
        )


class Toy(NetworkTrainingMixin, ScreenModel):
    """As short as a model with a network can be."""

    def __init__(self, adata=None, registry=None):
        super().__init__(adata, registry)
        self._build(lambda: ToyModule(self._n_genes), seed=0)
        self.init_params_ = self._get_init_params(locals())

    def train(self, max_epochs=5, **kwargs):
        self._fit(max_epochs, **QUIET | kwargs)

    def _predict_cells(self, asked):
        return self._expression(asked.adata, asked.cells)


@pytest.fixture
def toy(screen):
    Toy.setup_anndata(screen)
    return Toy(screen)


class Released(Callback):
    """Notes whether the module is in the mode for training."""

    def on_train_start(self, trainer, pl_module):
        self.training = pl_module.module.training


def test_one_call_trains_a_toy(toy, screen):
    toy.train(150, plan_kwargs={"lr": 0.1})
    expected = screen.X[toy.train_indices].toarray().mean(0)
    np.testing.assert_allclose(toy.module.mean.detach(), expected, atol=0.1)
    assert toy.trained_conditions_ == ["A", "A+B", "B", "C", "C+D", "D"]
    assert len(toy.history["train_loss"]) == len(toy.history["validation_loss"]) == 150
    assert len(toy.train_indices) + len(toy.validation_indices) == screen.n_obs
    assert toy.is_trained_


def test_the_seed_of_the_model_decides(make_screen):
    def mean(of_model, **kwargs):
        adata = make_screen()
        Toy.setup_anndata(adata)
        model = Toy(adata)
        model.seed_ = of_model
        model._fit(2, model._split(**kwargs), **QUIET)
        return model.module.mean.detach().numpy()

    np.testing.assert_array_equal(mean(1), mean(1))
    assert (mean(1) != mean(2)).any()
    np.testing.assert_array_equal(mean(1, seed=2), mean(2))
    np.testing.assert_array_equal(mean(1, seed=5, datasplitter_kwargs={"seed": 2}), mean(2))


def test_training_leaves_the_state_of_torch_alone(toy):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    toy.train(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_best_weights_are_those_of_the_least_validation_loss(toy, screen):
    toy._fit(12, toy._split(train_size=0.7), plan_kwargs={"lr": 4.0}, restore_best=True, **QUIET)
    cells = screen.X[toy.validation_indices].toarray()
    loss = np.square(cells - toy.module.mean.detach().numpy()).sum(1).mean()
    losses = toy.history["validation_loss"].to_numpy(float)
    assert loss == pytest.approx(losses.min(), rel=1e-4)
    assert losses.argmin() < 11


def test_epochs_before_the_end_of_the_annealing_do_not_count(toy, screen):
    settings = {"plan_kwargs": {"lr": 4.0}, "restore_best": True, "anneal_end": 8}
    toy._fit(12, toy._split(train_size=0.7), **settings, **QUIET)
    cells = screen.X[toy.validation_indices].toarray()
    loss = np.square(cells - toy.module.mean.detach().numpy()).sum(1).mean()
    assert loss == pytest.approx(toy.history["validation_loss"].to_numpy(float)[8:].min(), rel=1e-4)


@pytest.mark.parametrize(("early_stopping", "stops"), [(True, True), (None, True), (False, False)])
def test_training_stops_where_nothing_is_gained(toy, early_stopping, stops):
    settings = {"early_stopping": early_stopping, "early_stopping_patience": 3}
    toy._fit(
        20, toy._split(train_size=0.7), plan_kwargs={"lr": 1e-9}, **settings, early_stopping_min_delta=1.0, **QUIET
    )
    assert len(toy.history["validation_loss"]) == (4 if stops else 20)


def test_without_validation_cells(toy):
    splitter = toy._split(train_size=1.0)
    with pytest.raises(ValueError, match="Early stopping needs validation cells"):
        toy._fit(2, splitter, early_stopping=True, **QUIET)
    toy._fit(2, splitter, early_stopping=None, restore_best=True, **QUIET)
    assert len(toy.history["train_loss"]) == 2
    assert "validation_loss" not in toy.history


def test_validation_may_be_rare(toy):
    toy._fit(6, check_every=3, **QUIET)
    assert len(toy.history["validation_loss"]) == 2


def test_a_trained_model_goes_on_in_the_mode_for_training(toy):
    toy.train(1)
    assert not toy.module.training
    noted = Released()
    toy.train(2, callbacks=[noted])
    assert noted.training
    assert not toy.module.training
    assert len(toy.history["train_loss"]) == 3


def test_a_training_that_diverged_is_refused(toy):
    class Diverges(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            with torch.no_grad():
                pl_module.module.mean[0] = torch.nan

    with pytest.raises(FloatingPointError, match="diverged: weights of the network are not finite"):
        toy.train(1, callbacks=[Diverges()])
    assert not toy.is_trained_


def test_a_model_without_gradients_ignores_what_networks_take_and_nothing_else():
    class Model:
        def train(self, max_epochs=None, *, held_out=(), **kwargs):
            check_ignored(self, kwargs)

    Model().train(lr=0.1, batch_size=3, accelerator="cpu", enable_progress_bar=False, early_stopping=True)
    with pytest.raises(TypeError, match=r"`Model.train` has no argument 'indices'"):
        Model().train(indices=[0, 1])
    with pytest.raises(TypeError, match="has no argument 'heldout'. Did you mean 'held_out'"):
        Model().train(heldout="A")


def test_a_misspelt_argument_of_a_training_is_named_before_it_begins():
    adata = scpi.datasets.gene_programs(40, 20, 2, n_genes_per_program=5)
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=2)
    with pytest.raises(
        TypeError, match=r"`GeneProgramAE.train` has no argument 'max_epoch'. Did you mean 'max_epochs'"
    ):
        model.train(max_epoch=2)
    assert not model.is_trained
