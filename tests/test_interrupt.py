from __future__ import annotations

import signal
import sys
from types import SimpleNamespace

import lightning.pytorch as pl
import numpy as np
import pytest
import scanpy as sc

import scpi
from scpi._interrupt import interruptible, is_interrupted, stop_on_interrupt


@pytest.fixture(autouse=True)
def handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


def press():
    signal.raise_signal(signal.SIGINT)


def test_a_training_ends_and_what_follows_is_done():
    trainer, done = SimpleNamespace(should_stop=False), []

    @interruptible
    def train():
        assert not is_interrupted()
        stop_on_interrupt(trainer)
        press()
        assert is_interrupted()
        done.append("rest")

    with pytest.raises(KeyboardInterrupt):
        train()
    assert trainer.should_stop
    assert done == ["rest"]
    assert not is_interrupted()


@pytest.mark.parametrize("times", [1, 2])
def test_without_a_training_or_again_it_interrupts_at_once(times):
    @interruptible
    def train():
        if times == 2:
            stop_on_interrupt(SimpleNamespace(should_stop=False))
        for _ in range(times):
            press()
        pytest.fail("goes on")

    with pytest.raises(KeyboardInterrupt):
        train()


def test_lightning_does_not_end_the_process():
    @interruptible
    def train():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1)

    with pytest.raises(KeyboardInterrupt):
        train()


def test_a_handler_of_the_program_is_left_alone():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        assert interruptible(lambda: press() or "result")() == "result"
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [1]


class Press(pl.Callback):
    """Presses Ctrl-C in the first batch of the third epoch, once or twice."""

    def __init__(self, times=1):
        self.times = times

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 2 and batch_idx == 0:
            for _ in range(self.times):
                press()


@pytest.fixture(scope="module")
def screen():
    adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=20, rng=0)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


@pytest.mark.parametrize("name", ["SENAVAE", "SCGEN", "MultiTaskAE", "SCButterfly", "SCPREGAN"])
def test_an_interrupted_model_predicts(screen, name):
    model_cls = getattr(scpi.model, name)
    model_cls.setup_anndata(screen)
    model = model_cls(screen, seed=0)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False}
    with pytest.raises(KeyboardInterrupt):
        model.train(max_epochs=40, callbacks=[Press()], **quiet)
    assert model.is_trained
    assert all(len(values) <= 3 for values in model.history.values())
    assert np.isfinite(model.predict(perturbation=model.perturbations_[0], n_cells=5, output="mean").X).all()


def test_a_second_press_leaves_the_model_untrained(screen):
    scpi.model.SCGEN.setup_anndata(screen)
    model = scpi.model.SCGEN(screen, seed=0)
    with pytest.raises(KeyboardInterrupt):
        model.train(max_epochs=40, accelerator="cpu", enable_progress_bar=False, callbacks=[Press(2)])
    assert not model.is_trained
