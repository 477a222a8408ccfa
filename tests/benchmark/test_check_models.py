from __future__ import annotations

import pytest

import scpi
from scpi.benchmark import ModelSpec, splits
from scpi.benchmark._check_models import check_models
from scpi.benchmark._task import make_tasks


@pytest.fixture(scope="module")
def task():
    import scanpy as sc

    adata = scpi.datasets.plant_screen(n_perturbations=2, n_cells=10, n_decoy_sets=0, rng=0)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    setup = {"perturbation_key": "perturbation", "control": "control", "delimiter": "+"}
    setup |= {"context_key": None, "dose_key": None}
    split = splits.random_cells(adata, n_splits=1)
    numbers = {"n_cells": 100, "n_components": 5, "exclude_targets": True}
    (made,) = make_tasks(adata, split, setup=setup, layer=None, metrics=["rmse"], **numbers)
    return made


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (ModelSpec(model="MeanDelta"), "`model` must be a class, but is of type str"),
        (ModelSpec(model=dict), "dict has no `setup_anndata`, `train`, `predict`"),
        (
            ModelSpec(model=scpi.model.NoChange, setup={"nothing": "x"}, layer="y"),
            "TypeError: `setup_anndata` has no argument 'nothing'",
        ),
        (ModelSpec(model=scpi.model.NoChange, layer="y"), "KeyError: `adata.layers` has no 'y'"),
        (ModelSpec(model=scpi.model.NoChange, init={"n_latent": 3}), "TypeError: .*unexpected keyword argument"),
        (ModelSpec(model=scpi.model.NoChange, train={"max_epochs": 1, 3: 4}), "TypeError: keywords must be strings"),
        (
            ModelSpec(model=scpi.model.SCGEN, train={"max_epoch": 3, "lr": 0.1, "train_sizes": 0.1}),
            "`train` and the trainer take no argument 'max_epoch', 'train_sizes'",
        ),
        (
            ModelSpec(model=scpi.model.NoChange, train={"held_outs": []}),
            "TypeError: `NoChange.train` has no argument 'held_outs'. Did you mean 'held_out'",
        ),
        (ModelSpec(model=scpi.model.NoChange, validation_size=1.5), "`validation_size` must be from 0 to below 1"),
    ],
)
def test_a_mistake_is_named_with_its_model(task, spec, message):
    with pytest.raises(ValueError, match=f"1 of 2 models cannot be evaluated; nothing was trained. 'bad': {message}"):
        check_models(task, {"good": ModelSpec(model=scpi.model.MeanDelta), "bad": spec}, seed=0)


def test_right_models_pass(task):
    check_models(task, {"good": ModelSpec(model=scpi.model.MeanDelta, train={"max_epochs": 3})}, seed=0)
    check_models(task, {}, seed=0)


def test_what_the_trainer_takes_passes(task):
    of_each = {"max_epochs": 3, "callbacks": [], "precision": "32-true", "logger": False, "early_stopping_mode": "min"}
    for model in (scpi.model.SCGEN, scpi.model.MultiTaskAE, scpi.model.MeanDelta):
        check_models(task, {"good": ModelSpec(model=model, train=of_each)}, seed=0)
