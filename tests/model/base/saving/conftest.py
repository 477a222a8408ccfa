from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def saved_model(make_screen, build, tmp_path_factory):
    """A trained model, and a folder in which it is saved with its data."""
    model = build("SENAVAE", make_screen(), setup={"batch_key": "batch"})
    folder = tmp_path_factory.mktemp("saving") / "model"
    model.save(folder, save_anndata=True)
    return model, folder


@pytest.fixture
def folder(saved_model, tmp_path):
    """A copy of the folder of the saved model."""
    return shutil.copytree(saved_model[1], tmp_path / "copy")
