from __future__ import annotations

import copy
import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

import scpi
from scpi.model.base.saving import _folder
from scpi.model.base.saving._model import check_model, content_of, read_data, restore
from scpi.model.senavae import _model as senavae
from scpi.model.senavae import _presets

SENAVAE = scpi.model.SENAVAE


def load(folder, **kwargs):
    return SENAVAE.load(folder, accelerator="cpu", **kwargs)


def test_all_public_attributes_come_back(saved_model):
    model, folder = saved_model
    left, right = content_of(model).attributes, content_of(load(folder)).attributes
    assert list(left) == list(right)
    for name, value in left.items():
        assert type(value) is type(right[name]), name
        if name == "history_":
            for key, frame in value.items():
                pd.testing.assert_frame_equal(right[name][key], frame)
        else:
            np.testing.assert_equal(right[name], value, err_msg=name)


def test_the_steps_of_loading(saved_model):
    model, folder = saved_model
    saved = _folder.read_folder(folder, None, allow_pickle=False)
    check_model(SENAVAE, saved, ())
    check_model(scpi.model.NoChange, saved, ("SENAVAE",))
    with pytest.raises(ValueError, match="a model of a different class, SENAVAE"):
        check_model(scpi.model.NoChange, saved, ())
    data = read_data(saved)
    np.testing.assert_array_equal(data.X.toarray(), model.adata.X.toarray())
    assert restore(SENAVAE, saved, None, "cpu").adata is None


def test_the_registry_is_read_without_the_model(saved_model, capsys):
    model, folder = saved_model
    registry = SENAVAE.load_registry(folder)
    assert registry["setup_args"] == model.registry["setup_args"]
    assert list(registry["field_registries"]) == list(model.registry["field_registries"])
    SENAVAE.view_setup_args(folder)
    assert "batch_key" in capsys.readouterr().out
    with pytest.raises(NotImplementedError, match="0.15"):
        SENAVAE.convert_legacy_save(folder, folder)


@pytest.fixture
def presets(monkeypatch):
    """Other values of the preset and another name of its class, as a later version may have them."""
    # The new class takes over the fields that it is given
    fields = [(field.name, object, copy.copy(field)) for field in dataclasses.fields(_presets.Preset)]
    renamed = dataclasses.make_dataclass("Renamed", fields, frozen=True, kw_only=True)

    def change(**changes):
        presets = {name: renamed(**vars(preset) | changes) for name, preset in _presets.PRESETS.items()}
        monkeypatch.setattr(senavae, "PRESETS", presets)
        monkeypatch.delattr(_presets, "Preset")
        return renamed

    return change


def test_a_saved_model_keeps_its_settings_when_the_preset_changes(saved_model, presets):
    model, folder = saved_model
    renamed = presets(lr=0.5, n_hidden=model.preset_.n_hidden + 3)
    loaded = load(folder)
    assert type(loaded.preset_) is renamed
    assert vars(loaded.preset_) == vars(model.preset_)
    np.testing.assert_array_equal(
        loaded.predict(perturbation="A", n_cells=3, output="mean").X,
        model.predict(perturbation="A", n_cells=3, output="mean").X,
    )


def test_an_existing_folder_is_not_overwritten_unless_asked_for(saved_model, folder):
    model, _ = saved_model
    with pytest.raises(ValueError, match=r"already exists: choose another folder, .* `overwrite=True`"):
        model.save(folder)
    (folder / "notes.txt").write_text("mine")
    for name in ("model.1.safetensors", "model.safetensors"):
        model.save(folder, overwrite=True)
        assert sorted(path.name for path in folder.iterdir()) == sorted(["model.json", name, "notes.txt"])
        assert load(folder, adata=False).is_trained
    with pytest.raises(ValueError, match="already exists"):
        model.save(folder / "notes.txt", overwrite=True)


def test_models_with_prefixes_share_a_folder(saved_model, tmp_path):
    model, _ = saved_model
    model.save(tmp_path, prefix="a_", overwrite=True, save_anndata=True)
    model.save(tmp_path, prefix="b_", overwrite=True)
    assert len(list(tmp_path.iterdir())) == 5
    for prefix in ("a_", "b_"):
        assert load(tmp_path, prefix=prefix, adata=False).is_trained
    with pytest.raises(ValueError, match="must be the beginning of a file name, got '../a'"):
        model.save(tmp_path, prefix="../a", overwrite=True)


@pytest.mark.parametrize("name", ["save_kwargs", "legacy_mudata_format", "datamodule"])
def test_arguments_of_another_format_are_refused(saved_model, tmp_path, name):
    with pytest.raises(TypeError, match=rf"are saved without \['{name}'\]"):
        saved_model[0].save(tmp_path / "new", **{name: None})
    for name in ("backup_url", "datamodule"):
        with pytest.raises(TypeError, match=rf"are loaded without \['{name}'\]"):
            load(saved_model[1], **{name: None})


def test_there_must_be_data_to_save_it(saved_model, tmp_path):
    with pytest.raises(ValueError, match="without data, so no data can be saved"):
        load(saved_model[1], adata=False).save(tmp_path / "new", save_anndata=True)


def test_what_cannot_be_saved_leaves_nothing(saved_model, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model[0], "mine_", object(), raising=False)
    with pytest.raises(TypeError, match=r"`attributes\.mine_` of the model cannot be saved"):
        saved_model[0].save(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("name", ["write_arrays", "write_document"])
def test_a_full_disk_leaves_what_was_there(saved_model, folder, monkeypatch, exists, name):
    model, _ = saved_model
    if not exists:
        shutil.rmtree(folder)
    before = {path.name: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()}

    def on_full_disk(path, content):
        path.write_bytes(b"cut")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(_folder, name, on_full_disk)
        with pytest.raises(OSError, match=r"^The model was not saved, and what .* held is unchanged: .*No space left"):
            model.save(folder, overwrite=exists)
    assert {path.name: path.read_bytes() for path in folder.parent.rglob("*") if path.is_file()} == before
    model.save(folder, overwrite=exists)
    assert load(folder, adata=False).is_trained


def test_the_document_names_the_preset(saved_model):
    entries = json.loads((saved_model[1] / "model.json").read_text())
    assert entries["preset"]["name"] == "scpi"
    assert list(entries["preset"]["settings"]) == [field.name for field in dataclasses.fields(_presets.Preset)]
