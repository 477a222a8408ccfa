from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

import scpi


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    obs = {"perturbation": ["control", "<b>", "A+<b>", "A"] * 5}
    return AnnData(np.log1p(rng.poisson(3.0, (20, 7))).astype(np.float32), obs=obs)


def lines(model):
    return [line.split(maxsplit=1) for line in repr(model).splitlines()]


def test_a_model_says_what_it_is_trained_on(adata):
    scpi.model.MultiTaskAE.setup_anndata(adata)
    model = scpi.model.MultiTaskAE(adata)
    name, *before = lines(model)
    assert name == ["MultiTaskAE"]
    assert [title for title, _ in before] == ["settings", "cells", "perturbations", "training"]
    assert dict(before)["cells"] == "20 cells x 7 genes"
    assert dict(before)["perturbations"] == "2: '<b>', 'A'"
    assert dict(before)["training"] == "not trained yet: call `train()`"
    model.train(max_epochs=3, held_out="A+<b>", accelerator="cpu", enable_progress_bar=False)
    assert dict(lines(model)[1:])["training"] == "3 epochs on 2 conditions"


def test_a_model_without_a_network_has_no_epochs(adata):
    scpi.model.MeanDelta.setup_anndata(adata)
    model = scpi.model.MeanDelta(adata)
    model.train()
    assert dict(lines(model)[1:])["training"] == "trained on 3 conditions"


def test_a_loaded_model_knows_the_size_of_its_cells(adata, tmp_path):
    scpi.model.MeanDelta.setup_anndata(adata)
    model = scpi.model.MeanDelta(adata)
    model.train()
    model.save(tmp_path / "model")
    assert repr(scpi.model.MeanDelta.load(tmp_path / "model", adata)) == repr(model)


def test_many_names_are_counted(adata):
    adata.obs["perturbation"] = ["control"] * 2 + [f"g{i:02}" for i in range(18)]
    scpi.model.MeanDelta.setup_anndata(adata)
    shown = dict(lines(scpi.model.MeanDelta(adata))[1:])["perturbations"]
    assert shown.startswith("18: 'g00', 'g01'") and shown.endswith("'g07' ...")


def test_the_table_of_a_notebook_escapes_names(adata):
    scpi.model.MeanDelta.setup_anndata(adata)
    html = scpi.model.MeanDelta(adata)._repr_html_()
    assert "&lt;b&gt;" in html and "<b>" not in html and "20 cells x 7 genes" in html
