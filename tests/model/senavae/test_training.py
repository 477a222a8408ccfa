from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

import scpi
from scpi.model.base.losses._schedules import anneal_end, ramp

PARTS = ["mmd", "reconstruction", "kl", "graph_l1", "objective"]


class Recorder(pl.Callback):
    """Weights of the objective and of the network, epoch by epoch."""

    def __init__(self):
        self.weights, self.states, self.optimizers = [], [], []

    def on_train_epoch_end(self, trainer, pl_module):
        module = pl_module.module
        buffers = (module.mmd_weight, module.kl_weight, module.intervention.temperature)
        self.weights.append([float(value) for value in buffers])
        self.optimizers.append((trainer.optimizers[0], trainer.gradient_clip_val))

    def on_validation_end(self, trainer, pl_module):
        self.states.append({key: value.clone() for key, value in pl_module.module.state_dict().items()})


@pytest.mark.parametrize("preset", ["sena", "zhang"])
def test_weights_rise_as_published(preset, screen, build):
    recorder = Recorder()
    # The weights rise by the epoch, so that a step in each will do
    train = {"max_epochs": 26, "limit_train_batches": 1, "callbacks": [recorder]}
    model = build("SENAVAE", screen, {"preset": preset}, train=train)
    chosen = model.preset_
    for column, (start, low, high) in enumerate(
        [(5, 0.0, chosen.max_mmd), (10, 0.0, chosen.max_kl), (5, 1.0, chosen.max_temperature)]
    ):
        expected = [ramp(epoch, n_epochs=26, start_epoch=start, low=low, high=high) for epoch in range(26)]
        np.testing.assert_allclose(np.array(recorder.weights)[:, column], expected, rtol=1e-6)
    assert len(recorder.weights) == 26
    optimizer, clip = recorder.optimizers[0]
    assert type(optimizer) is torch.optim.Adam
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-8, 0)
    assert clip is None
    assert float(model.module.bandwidth) == {"sena": 200.0, "zhang": 1000.0}[preset]


def test_the_learning_rate_rises_and_decays(screen, build):
    rates = []

    class Rates(pl.Callback):
        def on_train_batch_start(self, trainer, *args):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    model = build("SENAVAE", screen, train={"max_epochs": 40, "callbacks": [Rates()]})
    highest = model.preset_.lr
    assert rates[0] < 0.1 * highest
    assert max(rates) == pytest.approx(highest, rel=0.05)
    assert rates[-1] < 0.02 * highest
    assert (np.diff(rates[len(rates) // 10 :]) <= 0).all()


@pytest.mark.parametrize("kwargs", [{}, {"likelihood": "nb", "mechanism": "relu"}, {"preset": "sena"}])
def test_history_has_the_parts_by_name(kwargs, screen, build):
    model = build("SENAVAE", screen, kwargs, train={"max_epochs": 3, "train_size": 0.8})
    for part in PARTS:
        for split in ("train", "validation"):
            values = model.history[f"{part}_{split}"]
            assert values.index.tolist() == [0, 1, 2]
            assert np.isfinite(values.to_numpy(dtype=float)).all()


@pytest.mark.parametrize(
    ("discrepancy", "name"), [("paired", "paired_error"), ("reconstruction", "reconstruction_perturbed")]
)
def test_other_discrepancies_of_counts(discrepancy, name, screen, build):
    kwargs = {"likelihood": "nb", "discrepancy": discrepancy}
    model = build("SENAVAE", screen, kwargs, train={"max_epochs": 4, "train_size": 0.8})
    for part in (name, "kl", "objective"):
        for split in ("train", "validation"):
            assert np.isfinite(model.history[f"{part}_{split}"].to_numpy(dtype=float)).all()
    assert np.isfinite(model.predict(perturbation="A+C", output="mean").X).all()


def test_the_best_weights_after_the_anneal_are_restored(screen, build):
    recorder = Recorder()
    model = build("SENAVAE", screen, train={"max_epochs": 14, "train_size": 0.8, "callbacks": [recorder]})
    values = model.history["objective_validation"].to_numpy(dtype=float).ravel()
    preset = model.preset_
    start = anneal_end(n_epochs=14, start_epochs=(preset.mmd_start, preset.kl_start, preset.temperature_start))
    assert start == 7
    best = start + int(np.argmin(values[start:]))
    state = model.module.state_dict()
    assert len(recorder.states) == 14
    for key, value in recorder.states[best].items():
        assert torch.equal(state[key], value), key
    last = build("SENAVAE", screen.copy(), train={"max_epochs": 14, "train_size": 0.8, "restore_best": False})
    for key, value in recorder.states[-1].items():
        torch.testing.assert_close(last.module.state_dict()[key], value)
    # The weights of the objective are at their final values in what is kept.
    assert float(model.module.mmd_weight) == preset.max_mmd
    assert float(model.module.intervention.temperature) == preset.max_temperature


def test_training_stops_early_but_not_before_the_anneal(screen, build):
    model = build(
        "SENAVAE",
        screen,
        train={
            "max_epochs": 40,
            "train_size": 0.7,
            "early_stopping": True,
            "early_stopping_patience": 2,
            "plan_kwargs": {"lr": 1e-12},
        },
    )
    assert 20 < len(model.history["objective_validation"]) < 40


@pytest.mark.parametrize(
    "kwargs",
    [
        {"n_factors": 4},
        # Without interactions, the additive start would be all
        {"encoder": "linear", "n_hidden": 0, "least_squares": False, "n_factors": 4},
        {"likelihood": "nb"},
        {"preset": "zhang"},
    ],
)
def test_training_goes_on_where_it_stopped(kwargs, screen, build, quiet):
    model = build("SENAVAE", screen, kwargs, train={"max_epochs": 2})
    before = {key: value.clone() for key, value in model.module.named_parameters()}
    predicted = model.predict(perturbation="A+C", output="mean").X
    model.train(max_epochs=3, **quiet)
    assert len(model.history["mmd_train"]) == 5
    after = dict(model.module.named_parameters())
    moved = [float((after[key] - value).abs().max()) for key, value in before.items()]
    # Steps of Adam from where the weights were: not a new start.
    assert 0 < max(moved) < 0.2
    assert not np.allclose(model.predict(perturbation="A+C", output="mean").X, predicted, atol=1e-7)


def test_a_loaded_model_trains_on(screen, build, quiet, tmp_path):
    model = build("SENAVAE", screen, train={"max_epochs": 2})
    model.save(tmp_path / "model")
    loaded = scpi.model.SENAVAE.load(tmp_path / "model", adata=screen, accelerator="cpu")
    model.train(max_epochs=2, **quiet)
    loaded.train(max_epochs=2, **quiet)
    np.testing.assert_allclose(
        loaded.predict(perturbation="A", output="mean").X, model.predict(perturbation="A", output="mean").X, atol=1e-5
    )


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"mechanism": "relu"},
        {"likelihood": "nb"},
        {"encoder": "linear", "n_hidden": 0},
        {"preset": "sena"},
        {"preset": "zhang"},
        {"leak": 0.1},
    ],
    ids=str,
)
def test_half_precision_runs(kwargs, screen, build):
    model = build("SENAVAE", screen, kwargs, train={"max_epochs": 4, "precision": "bf16-mixed"})
    assert all(parameter.dtype == torch.float32 for parameter in model.module.parameters())
    assert np.isfinite(model.history["objective_train"].to_numpy(dtype=float)).all()
    assert np.isfinite(model.predict(perturbation="A+D", output="mean").X).all()


def test_no_validation_cells_are_needed(screen, build):
    model = build("SENAVAE", screen, train={"max_epochs": 2, "train_size": 1.0})
    assert "objective_validation" not in model.history
    assert len(model.train_indices) == screen.n_obs


def test_workers_give_the_same_batches(make_screen, build):
    models = [
        build("SENAVAE", make_screen(), train={"datasplitter_kwargs": {"num_workers": workers}}) for workers in (0, 1)
    ]
    np.testing.assert_allclose(*(model.predict(perturbation="A", output="mean").X for model in models), atol=1e-5)


def test_the_seed_is_that_of_the_model(make_screen, build):
    one, same, other = (
        build("SENAVAE", make_screen(), {"seed": seed}).predict(perturbation="A", output="mean").X for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.smoke("lightning", "tensorboard")
def test_tensorboard(screen, build, tmp_path):
    from tensorboard.backend.event_processing import event_accumulator as accumulator

    logger = pl.loggers.TensorBoardLogger(tmp_path)
    build("SENAVAE", screen, train={"max_epochs": 2, "logger": logger})
    events = accumulator.EventAccumulator(logger.log_dir).Reload()
    tags = events.Tags()["scalars"]
    assert {f"{part}_{split}" for part in PARTS for split in ("train", "validation")} <= set(tags)
    assert len(events.Scalars("mmd_train")) == 2


@pytest.mark.smoke("mlflow", "psutil")
def test_mlflow(screen, build, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    import scvi

    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scvi.settings, "_mlflow_set_tracking_uri", uri)
    monkeypatch.setattr(scvi.settings, "_mlflow_set_experiment", "screen")
    previous = mlflow.get_tracking_uri()
    try:
        model = build("SENAVAE", screen, train={"max_epochs": 2})
        client = mlflow.MlflowClient(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("screen").experiment_id])
    finally:
        mlflow.set_tracking_uri(previous)
    assert run.info.run_id == model.run_id
    assert run.data.tags["status"] == "success"
    metrics = set(run.data.metrics)
    assert any("mmd" in name for name in metrics)
    assert any("objective" in name for name in metrics)


def test_genes_without_counts_in_training_controls_do_not_decide_on_the_validation(screen, build):
    """Half of the genes have one count, in a validation control, and none in the training controls."""
    dense = screen.X.toarray()
    controls = np.flatnonzero((screen.obs["perturbation"] == "control").to_numpy())
    half = dense.shape[1] // 2
    dense[controls, :half] = 0.0
    seen, rest = controls[:6], np.setdiff1d(np.arange(screen.n_obs), controls[:6])
    dense[seen[0], :half] = 2.0
    screen.X = np.log1p(dense)
    perturbed = np.setdiff1d(rest, controls)[::5]
    split = {"external_indexing": [np.setdiff1d(rest, perturbed), np.concatenate([seen, perturbed])]}
    model = build("SENAVAE", screen, train={"max_epochs": 4, "datasplitter_kwargs": split})
    last = {name: float(values.iloc[-1, 0]) for name, values in model.history.items()}
    spread = np.log1p(dense[np.concatenate([controls[6:], rest])]).std(0)
    assert float(model.module.least_log_scale) == pytest.approx(
        np.log(0.1 * np.sqrt(np.square(spread).mean())), abs=0.1
    )
    # With a standard deviation of 0.001 it was 10^5
    assert last["reconstruction_validation"] < 50
    preset = model.preset_
    expected = preset.max_mmd * last["mmd_validation"] + preset.max_kl * last["kl_validation"]
    assert last["objective_validation"] == pytest.approx(expected, rel=1e-4)
