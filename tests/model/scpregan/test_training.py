from __future__ import annotations

import numpy as np
import pytest
import torch

from scpi.model import SCPREGAN
from scpi.model.base._constants import KEYS
from scpi.model.scpregan._plan import SCPREGANPlan


class TestPlan:
    @pytest.fixture
    def seen(self, monkeypatch):
        """Arms that the losses of a training were given, in turn."""
        found = []
        for name in ("discriminator_losses", "generator_losses"):
            original = getattr(SCPREGAN._module_cls, name)

            def record(module, control, treated, original=original, name=name):
                found.append((name, control, treated))
                return original(module, control, treated)

            monkeypatch.setattr(SCPREGAN._module_cls, name, record)
        return found

    def test_the_classes_are_those_of_the_cells_of_the_same_half(self, seen, screen, build, train):
        """The published code gives the generators the contexts of the cells of the discriminators."""
        adata = screen()
        model = train(build(adata, batch_size=4))
        names = [name for name, *_ in seen]
        assert names[:4] == ["discriminator_losses", "generator_losses"] * 2
        cell = {row.tobytes(): index for index, row in enumerate(adata.X)}
        codes = np.asarray(model.adata_manager.get_from_registry(KEYS.CONTEXT)).ravel()
        halves = []
        for _, *arms in seen:
            for arm, label in zip(arms, ("control", "A"), strict=True):
                cells = [cell[row.tobytes()] for row in arm.x.numpy()]
                np.testing.assert_array_equal(arm.context.numpy(), codes[cells])
                assert set(adata.obs["perturbation"].iloc[cells]) == {label}
                np.testing.assert_array_equal(arm.dose.numpy(), label == "A")
            halves.append(cells)
        assert halves[0] != halves[1]

    def test_a_step_moves_discriminators_then_the_others(self, monkeypatch, build, train):
        model = build(batch_size=64)
        module, states = model.module, []
        snapshot = lambda: {name: value.clone() for name, value in module.named_parameters()}  # noqa: E731
        descend = SCPREGANPlan._descend

        def record(plan, objective, optimizers):
            before = snapshot()
            descend(plan, objective, optimizers)
            moved = {name.split(".")[0] for name, value in snapshot().items() if not torch.equal(value, before[name])}
            states.append(moved)

        monkeypatch.setattr(SCPREGANPlan, "_descend", record)
        train(model, 1)
        assert states == [{"discriminators"}, {"generators", "encoder"}]

    def test_learning_rates_and_how_they_fall(self, build):
        module = build().module
        plan = SCPREGANPlan(module, n_steps=20_000)
        optimizers, _ = plan.configure_optimizers()
        assert [group["initial_lr"] for o in optimizers for group in o.param_groups] == [1e-3, 1e-3, 1e-4]
        assert [o.param_groups[0]["betas"] for o in optimizers] == [(0.5, 0.9), (0.5, 0.9), (0.9, 0.999)]
        assert [plan._share(step) for step in (0, 9_999, 10_000, 20_000)] == pytest.approx([1, 1, 0.9, 0.81])
        half = SCPREGANPlan(module, n_steps=1, lr=5e-4).configure_optimizers()[0]
        assert [o.param_groups[0]["initial_lr"] for o in half] == pytest.approx([5e-4, 5e-4, 5e-5])

    def test_a_cosine_falls_to_a_hundredth(self, build):
        plan = SCPREGANPlan(build(decay="cosine").module, n_steps=100)
        assert [plan._share(step) for step in (0, 50, 100, 120)] == pytest.approx([1, 0.505, 0.01, 0.01])


class TestTraining:
    def test_epochs_follow_from_the_steps(self, build, train):
        # 36 of 40 controls in batches of 2 x 4 are 5 steps
        model = train(build(n_steps=11, batch_size=4), None)
        assert len(model.history["objective_train"]) == 3
        model = train(build(n_steps=11), None, batch_size=9)
        assert len(model.history["objective_train"]) == 6

    def test_the_history_has_all_losses(self, build, train):
        model = train(build(), 3)
        names = ["reconstruction", "encoding", "cycle", "adversarial", "context", "discriminator"]
        names += ["discriminator_context", "objective"]
        assert set(model.history) >= {f"{name}_train" for name in names} | {"reconstruction_validation"}
        assert all(np.isfinite(np.asarray(values, dtype=float)).all() for values in model.history.values())
        assert all(len(values) == 3 for values in model.history.values())

    def test_the_validation_loss_is_the_reconstruction_of_every_cell_in_its_arm(self, build, train):
        model = train(build(), 2)
        cells = model.validation_indices
        labels = model.adata.obs["perturbation"].to_numpy()[cells]
        module, x = model.module, torch.from_numpy(model.adata.X[cells])
        with torch.inference_mode():
            z = module.encoder(x)
            dose = torch.from_numpy((labels == "A").astype(np.float32))[:, None]
            expected = torch.where(dose == 1, module.generators.treated(z, dose), module.generators.control(z, dose))
        found = model.history["reconstruction_validation"].iloc[-1, 0]
        assert found == pytest.approx(float((x - expected).square().mean()), rel=1e-5)

    def test_early_stopping_returns_to_the_best_epoch(self, build, train):
        model = train(build(lr=0.3), 60, early_stopping=True, restore_best=True, early_stopping_patience=3)
        losses = model.history["reconstruction_validation"].iloc[:, 0].astype(float)
        assert len(losses) < 60
        module = model.module.eval()
        cells = model.validation_indices
        treated = torch.from_numpy((model.adata.obs["perturbation"].to_numpy()[cells] == "A").astype(np.float32))
        x = torch.from_numpy(model.adata.X[cells])
        with torch.inference_mode():
            error = (x - module.generators(module.encoder(x), treated[:, None])).square().mean()
        assert float(error) == pytest.approx(losses.min(), rel=1e-5)

    def test_the_seed_decides(self, build, train):
        predict = lambda **kwargs: train(build(**kwargs)).predict(perturbation="A", output="mean").X  # noqa: E731
        np.testing.assert_array_equal(predict(seed=1), predict(seed=1))
        assert (predict(seed=1) != predict(seed=2)).any()

    def test_the_batch_size_is_at_least_one(self, build, train):
        with pytest.raises(ValueError, match="`batch_size` must be at least 1, got 0"):
            train(build(), batch_size=0)
