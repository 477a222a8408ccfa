"""The tuner of scvi-tools on models of scpi."""

from __future__ import annotations

import pytest
import scanpy as sc
import scvi

import scpi

# A tuner that is not among the dependencies: half a gigabyte with what it needs
ray = pytest.importorskip("ray")
pytest.importorskip("scib_metrics")

N_EPOCHS = 3
SMALL = {
    "NBVAE": ("validation_loss", {"batch_key": "batch"}, {"encoder_hidden": (8,), "decoder_hidden": (8,)}),
    "MultiTaskAE": ("reconstruction_validation", {"context_key": "cell_type"}, {"n_hidden": (8,)}),
}


@pytest.fixture(scope="module")
def cluster():
    """A local cluster of two processes, which ends with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_trials_reach_the_loss_of_the_same_training_here(cluster, make_screen, tmp_path, name):
    tune = pytest.importorskip("ray.tune")
    from scvi.autotune import run_autotune

    metric, setup, small = SMALL[name]
    model, adata = getattr(scpi.model, name), make_screen()
    if name == "MultiTaskAE":
        sc.pp.normalize_total(adata, target_sum=1e4)
        sc.pp.log1p(adata)
        setup = setup | {"perturbation_key": "perturbation", "control": "control"}
    model.setup_anndata(adata, **setup)
    training = {"max_epochs": N_EPOCHS, "accelerator": "cpu"}
    found = run_autotune(
        model,
        adata,
        metrics=metric,
        mode="min",
        search_space={"model_params": {"n_latent": tune.grid_search([2, 4]), **small}, "train_params": training},
        num_samples=1,
        scheduler="fifo",
        searcher="random",
        seed=3,
        resources={"cpu": 1},
        logging_dir=str(tmp_path),
        ignore_reinit_error=True,
    ).result_grid
    assert len(found) == 2 and not found.errors
    scvi.settings.seed = 3
    for trial in found:
        params = trial.config["model_params"]
        here = model(adata, **params)
        here.train(**training, check_val_every_n_epoch=1, enable_progress_bar=False)
        assert trial.metrics["training_iteration"] == N_EPOCHS
        assert trial.metrics[metric] == pytest.approx(here.history[metric].iloc[-1].item(), rel=1e-4)
    best = found.get_best_result(metric, "min")
    assert best.metrics[metric] == min(trial.metrics[metric] for trial in found)
