from __future__ import annotations

import numpy as np
import pytest
import torch

import scpi
from scpi.model.base._constants import KEYS
from scpi.model.base.loading._splitter import CellSplitter
from scpi.model.scbutterfly._matching import matching
from scpi.model.scbutterfly._module import SCButterflyModule
from scpi.model.scbutterfly._plan import SCButterflyPlan
from scpi.model.scbutterfly._presets import Preset

SMALL = {"control_hidden": (16,), "treated_hidden": (16,), "n_latent": 8, "n_translator": 8}


def part_of(name):
    """What a parameter belongs to."""
    first, second, *_ = name.split(".")
    return first if first in ("translator", "encoder_conditions", "decoder_conditions") else f"{first}.{second}"


def parameters(module):
    return {name: value.detach().clone() for name, value in module.named_parameters()}


class Watch(SCButterflyPlan):
    """Notes the weights at the start of every epoch."""

    def on_train_epoch_start(self):
        self.seen = [*getattr(self, "seen", []), (self.phase, self.kl_weight, parameters(self.module))]

    def on_train_end(self):
        self.seen.append(("end", 0.0, parameters(self.module)))
        SEEN[:] = self.seen


SEEN = []


@pytest.fixture(scope="module")
def phases(make_shifted, train):
    """Phase, weight of the divergence, and parts of the network that an epoch has changed, epoch by epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scpi.model.SCButterfly, "_training_plan_cls", Watch)
        adata = make_shifted(conditions=[("A", 1.0), ("B", 1.0)], n_cells=15)
        train(adata, kl_warmup=2, pretrain_epochs=3, train={"max_epochs": 4, "restore_best": False}, **SMALL)
    pairs = zip(SEEN[:-1], SEEN[1:], strict=True)
    return [
        (phase, weight, {part_of(name) for name in before if not torch.equal(before[name], after[name])})
        for (phase, weight, before), (_, _, after) in pairs
    ]


class TestPhases:
    def test_the_arms_come_one_after_the_other_and_then_together(self, phases):
        assert [phase for phase, *_ in phases] == ["control"] * 3 + ["treated"] * 3 + ["joint"] * 4

    def test_a_phase_trains_what_it_should_and_nothing_else(self, phases):
        expected = {
            "control": {"autoencoders.control", "own.control"},
            "treated": {"autoencoders.treated", "own.treated", "encoder_conditions", "decoder_conditions"},
            "joint": {
                "autoencoders.control",
                "autoencoders.treated",
                "translator",
                "discriminators.control",
                "discriminators.treated",
                "encoder_conditions",
                "decoder_conditions",
            },
        }
        for phase, _, changed in phases:
            assert changed == expected[phase]

    def test_the_weight_of_the_divergence_rises_in_each_phase(self, phases):
        rise = np.array([0.0, 0.5, 1.0, 1.0]) * 20 / 30
        np.testing.assert_allclose([weight for *_, weight, _ in phases[:3]], rise[:3])
        np.testing.assert_allclose([weight for *_, weight, _ in phases[3:6]], rise[:3])
        np.testing.assert_allclose([weight for *_, weight, _ in phases[6:]], 2 * rise)


class TestStep:
    @pytest.fixture
    def plan(self):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            preset = Preset(**SMALL, dropout=0.0, noise=0.0, adversarial_limit=10.0)
            module = SCButterflyModule(5, 2, preset=preset, conditional=False)
        plan = SCButterflyPlan(module, n_epochs=1, n_own_epochs=0)
        plan.manual_backward = lambda loss: loss.backward()
        return plan

    def test_networks_gain_from_misled_discriminators(self, plan):
        rng = np.random.default_rng(0)
        batch = {
            KEYS.X: torch.from_numpy(rng.random((8, 5)).astype(np.float32)),
            KEYS.PERTURBED: torch.from_numpy(rng.random((8, 5)).astype(np.float32)),
            KEYS.CONDITION: torch.ones(8, dtype=torch.int64),
        }
        optimizer = plan.configure_optimizers()[1]
        label = torch.linspace(0.0, 1.0, 8)
        plan._labels = lambda batch: label
        plan.module.eval()
        plan.preset = plan.module.preset
        before = parameters(plan.module)
        losses = plan._joint_losses(batch, optimizer)
        # The step of the discriminators moves them alone, down their gradient
        moved = {name.split(".")[0] for name, value in parameters(plan.module).items() if not value.equal(before[name])}
        assert moved == {"discriminators"}
        outcome = plan.module.joint(batch)
        misled = plan.module.discriminator_loss(outcome.encoded, outcome.translated, label)
        assert float(misled) < float(losses["discriminator"])
        # The divergence has no weight in the first epoch
        expected = float(outcome.reconstruction) - float(misled)
        assert float(losses["objective"]) == pytest.approx(expected, rel=1e-5)


class TestTraining:
    def test_history_has_every_phase(self, make_shifted, train):
        history = train(make_shifted(n_cells=15), train={"max_epochs": 3}, **SMALL).history
        for name, n_epochs in (("control_", 2), ("treated_", 2), ("", 3)):
            for what in ("reconstruction_train", "kl_train", "objective_train", "reconstruction_validation"):
                assert len(history[name + what]) == n_epochs, name + what
                assert np.isfinite(history[name + what].to_numpy(dtype=float)).all()
        assert len(history["discriminator_train"]) == 3

    def test_a_phase_ends_where_it_does_not_gain(self, make_shifted, train):
        # Without a step there is no gain after the first epoch
        arguments = {"max_epochs": 9, "lr": 1e-12, "early_stopping_patience": 2}
        model = train(make_shifted(n_cells=15), noise=0.0, dropout=0.0, pretrain_epochs=8, train=arguments, **SMALL)
        stopped = {
            name: len(model.history[f"{name}reconstruction_validation"]) for name in ("control_", "treated_", "")
        }
        # The statistics of the normalisation settle for some epochs
        assert stopped["control_"] <= 8
        arguments["early_stopping"] = False
        other = train(make_shifted(n_cells=15), pretrain_epochs=8, train=arguments, **SMALL)
        assert len(other.history["control_reconstruction_validation"]) == 8
        assert len(other.history["reconstruction_validation"]) == 9

    def test_the_best_epoch_is_restored(self, make_shifted, train):
        model = train(make_shifted(n_cells=20), train={"max_epochs": 12, "lr": 0.05}, **SMALL)
        errors = model.history["reconstruction_validation"].to_numpy(dtype=float).ravel()
        module = model.module.eval()
        splitter = CellSplitter(model.adata_manager, matching(model.preset_, 64), train_size=0.8, seed=model.seed_)
        (batch,) = splitter.val_dataloader()
        with torch.no_grad():
            assert float(module.joint(batch).reconstruction) == pytest.approx(errors.min(), rel=1e-4)

    def test_without_validation_all_epochs_are_run(self, make_shifted, train):
        model = train(make_shifted(n_cells=15), train={"max_epochs": 3, "train_size": 1.0}, **SMALL)
        assert len(model.history["reconstruction_train"]) == 3
        assert "reconstruction_validation" not in model.history

    def test_pretraining_may_be_left_out(self, make_shifted, train):
        model = train(make_shifted(n_cells=15), pretrain_epochs=0, train={"max_epochs": 2}, **SMALL)
        assert "control_reconstruction_train" not in model.history

    def test_the_seed_decides(self, make_shifted, train):
        first, again, other = (
            train(make_shifted(n_cells=15), seed=seed, **SMALL).predict(perturbation="A", n_cells=5, output="mean").X
            for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert np.abs(first - other).max() > 1e-3

    def test_training_goes_on(self, make_shifted, train):
        model = train(make_shifted(n_cells=15), **SMALL)
        model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
        assert len(model.history["reconstruction_train"]) == 3

    @pytest.mark.parametrize(
        ("kwargs", "match"),
        [
            ({"max_epochs": 0}, "max_epochs"),
            ({"batch_size": 1}, "batch_size"),
        ],
    )
    def test_bad_arguments_are_refused(self, make_shifted, train, kwargs, match):
        with pytest.raises(ValueError, match=match):
            train(make_shifted(n_cells=5), train=kwargs)

    def test_bad_presets_are_refused(self, make_shifted):
        adata = make_shifted(n_cells=5)
        scpi.model.SCButterfly.setup_anndata(adata)
        with pytest.raises(ValueError, match="one of \\['published', 'scpi'\\]"):
            scpi.model.SCButterfly(adata, preset="fast")
        with pytest.raises(ValueError, match="`pairing` must be one of"):
            scpi.model.SCButterfly(adata, pairing="nearest")
        with pytest.raises(ValueError, match="`pretrain_epochs` must be at least 0"):
            scpi.model.SCButterfly(adata, pretrain_epochs=-1)
        with pytest.raises(TypeError, match="has no"):
            scpi.model.SCButterfly(adata, hidden=3)


def test_decoders_start_from_the_mean_of_their_arm(make_shifted, train):
    adata = make_shifted(n_cells=15)
    # No step moves the weights
    model = train(adata, train={"max_epochs": 1, "lr": 1e-12, "restore_best": False}, **SMALL)
    splitter = CellSplitter(model.adata_manager, matching(model.preset_, 64), train_size=0.8, seed=model.seed_)
    for side, cells in zip(("control", "treated"), splitter.train_sampler.pairs, strict=True):
        expected = np.asarray(adata.X)[np.unique(cells)].mean(0)
        np.testing.assert_allclose(model.module.autoencoder(side).decoder[-1].bias.detach(), expected, rtol=1e-5)
    before = parameters(model.module)
    model.train(max_epochs=1, lr=1e-12, train_size=0.5, accelerator="cpu", enable_progress_bar=False)
    # A trained network goes on from its weights
    after = parameters(model.module)
    assert all(
        torch.allclose(before[name], after[name], atol=1e-5) for name in before if not name.startswith("discriminators")
    )
