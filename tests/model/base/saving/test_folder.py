from __future__ import annotations

import json
import os
import pickle
import re
import shutil

import numpy as np
import pytest

import scpi
from scpi import _replace
from scpi._replace import flush_folder
from scpi.model.base.saving import _folder
from scpi.model.base.saving._document import checks, write_document
from scpi.model.base.saving._folder import read_folder
from scpi.model.base.saving._pickled import read_pickled

FILES = ["adata.h5ad", "model.json", "model.safetensors"]
SENAVAE = scpi.model.SENAVAE


class Payload:
    """What writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def load(folder):
    return SENAVAE.load(folder, accelerator="cpu")


def refused(folder, match="", *, name):
    """The one sentence that refuses a folder and names a file of it."""
    with pytest.raises(ValueError, match=match) as error:
        load(folder)
    message = str(error.value)
    assert str(folder / name) in message
    assert "\n" not in message
    assert len(message.replace(str(folder), "")) < 400
    return message


def rewrite(folder, change):
    """Change the document as one who knows the format would, with checksums that are right."""
    document = folder / "model.json"
    entries = json.loads(document.read_text())
    entries["files"] |= {path.name: checks(path) for path in folder.iterdir() if path.name in entries["files"]}
    change(entries)
    write_document(document, {name: value for name, value in entries.items() if name != "crc32"})


def test_a_folder_holds_three_files(saved_model):
    _, folder = saved_model
    assert sorted(path.name for path in folder.iterdir()) == FILES
    entries = json.loads((folder / "model.json").read_text())
    assert {name: checks(folder / name) for name in FILES if name != "model.json"} == entries["files"]
    assert entries["versions"]["scpi"] == scpi.__version__


def test_no_name_of_a_private_module_is_saved(saved_model):
    for name in ("model.json", "model.safetensors"):
        assert b"scpi.model" not in (saved_model[1] / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_a_file_is_not_run(folder, name, tmp_path):
    content = pickle.dumps(Payload(tmp_path / "ran"))
    (folder / name).write_bytes(content)
    refused(folder, "is damaged", name=name)
    if name != "model.json":
        # The checksum is no protection from those who write one of their own
        rewrite(folder, lambda entries: None)
        with pytest.raises((ValueError, OSError)):
            load(folder)
    assert not (tmp_path / "ran").exists()
    pickle.loads(content)
    assert (tmp_path / "ran").is_dir()


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_of_scvi_tools_is_not_opened(folder, alone, tmp_path):
    (folder / "model.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    if alone:
        (folder / "model.json").unlink()
        refused(folder, r"reading it can run code: .* `allow_pickle=True`", name="model.pt")
    else:
        load(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_cut_file_is_refused(folder, name, part, screen, assert_unchanged):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(part * len(content))])
    assert "take another copy of the folder" in refused(folder, "is damaged", name=name)
    if name == "model.safetensors":
        before = screen.copy()
        with pytest.raises(ValueError, match="is damaged"):
            SENAVAE.load(folder, adata=screen)
        assert_unchanged(screen, before)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(folder, name):
    path = folder / name
    content = path.read_bytes()
    places = np.linspace(0, len(content) - 1, 25).astype(int)
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(place % 8)
        path.write_bytes(changed)
        refused(folder, "is damaged|was not saved by scpi", name=name)
    path.write_bytes(content)
    load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, "is missing" if name != "model.json" else "There is no", name=name)
    if name == "adata.h5ad":
        SENAVAE.load(folder, adata=False, accelerator="cpu")


def test_what_is_no_folder_of_a_model_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "give the folder of a saved model", name="model.json")
    refused(tmp_path / "absent", "give the folder of a saved model", name="model.json")
    with pytest.raises(ValueError, match=r"model\.json' is a file: give the folder"):
        load(folder / "model.json")
    with pytest.raises(ValueError, match=r"b_model\.json'.* the `prefix` that it was saved with"):
        SENAVAE.load(folder, prefix="b_")


def put(*keys, value):
    def change(entries):
        for key in keys[:-1]:
            entries = entries[key]
        entries[keys[-1]] = value

    return change


NO_SETTINGS = ("attributes", "init_params_", "non_kwargs")
CHANGES = {
    "no state": lambda entries: entries.pop("state"),
    "list": put("attributes", value=[1]),
    "no attributes": put("attributes", value={}),
    "no arguments": put("attributes", "init_params_", value={}),
    "no dictionary": put("attributes", "init_params_", value=3),
    "class": put("attributes", "__class__", value="x"),
    "dunder": put("attributes", "__dict___", value={}),
    "private": put("attributes", "module", value={}),
    "path": put("attributes", "train_indices_", "name", value="../../etc/passwd"),
    "no name": put("attributes", "train_indices_", "name", value=["x"]),
    "method": put("registry", "setup_method_name", value="load"),
    "no method": put("registry", "setup_method_name", value=None),
    "no setup": lambda entries: entries["registry"].pop("setup_args"),
    "array": put("registry", value={"$": "array", "name": "state.x"}),
    "kind": put("registry", value={"$": "pickle", "items": []}),
    "empty state": put("state", value={}),
    "more state": put("state", "more", value=1),
    "memory": put(*NO_SETTINGS, "n_factors", value=10**12),
    "overflow": put(*NO_SETTINGS, "n_factors", value=10**30),
    "shape": put(*NO_SETTINGS, "n_factors", value=7),
    "setting": put("preset", "settings", "class", value="os.system"),
    "settings": put("preset", value={"settings": 3}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_document_of_another_content_is_refused(folder, change):
    rewrite(folder, change)
    refused(folder, "is damaged", name="model.json")


FORGED = {
    "negative argument": (put(*NO_SETTINGS, "n_factors", value=-5), "cannot be built: `n_factors` must be at least 1"),
    "word as an argument": (put(*NO_SETTINGS, "n_factors", value="many"), "is damaged"),
    "fraction as an argument": (put(*NO_SETTINGS, "n_factors", value=2.5), "is damaged"),
    "list as an argument": (put(*NO_SETTINGS, "n_factors", value=[2]), "is damaged"),
    "choice": (put(*NO_SETTINGS, "likelihood", value="none"), "cannot be built: `likelihood` must be "),
    "negative setting": (put("preset", "settings", "max_epochs", value=-5), "cannot be built: `max_epochs` must be"),
    "word as a setting": (put("preset", "settings", "n_hidden", value="many"), "is damaged"),
}


@pytest.mark.parametrize(("change", "match"), FORGED.values(), ids=FORGED)
def test_a_value_that_the_model_refuses_is_named_with_its_file(folder, change, match):
    rewrite(folder, change)
    refused(folder, match, name="model.json")


@pytest.mark.parametrize(
    ("change", "name", "match"),
    [
        (lambda entries: entries.pop("files"), "model.json", "it names 0 files 'model.safetensors'"),
        (put("files", value={}), "model.json", "it names 0 files"),
        (put("files", value=["model.safetensors"]), "model.json", "it names 0 files"),
        (put("files", "model.1.safetensors", value={}), "model.json", "it names 2 files"),
        (put("files", "model.safetensors", value={"bytes": 10**18}), "model.safetensors", "its checksum is wrong"),
    ],
)
def test_a_file_without_its_checksum_is_refused(folder, change, name, match):
    rewrite(folder, change)
    refused(folder, match, name=name)


def test_a_preset_is_a_name(folder, tmp_path):
    rewrite(folder, put(*NO_SETTINGS, "preset", value="os.system"))
    with pytest.raises(ValueError, match="`preset` must be one of"):
        load(folder)


def test_files_outside_the_folder_are_not_read(folder, tmp_path):
    (tmp_path / "adata.h5ad").write_bytes(b"")
    rewrite(folder, put("files", "../adata.h5ad", value=checks(tmp_path / "adata.h5ad")))
    assert read_folder(folder, None, allow_pickle=False).data == folder / "adata.h5ad"


def test_cells_that_were_not_saved_along_are_not_read(folder):
    rewrite(folder, lambda entries: entries["files"].pop("adata.h5ad"))
    with pytest.warns(UserWarning, match="No data was saved with the model"):
        assert load(folder).adata is None


def test_a_newer_format_is_named(folder):
    document = folder / "model.json"
    rewrite(folder, put("version", value=2))
    assert json.loads(document.read_text())["version"] == 2
    refused(folder, "was saved by a newer scpi, in format 2", name="model.json")


def test_arrays_of_other_shapes_are_refused(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes().replace(b"[4]", b"[9]"))
    rewrite(folder, lambda entries: None)
    refused(folder, r"an array of shape \[9\] does not lie at", name="model.safetensors")


def test_the_folder_of_another_package_is_refused(tmp_path):
    import torch

    torch.save({"weights": torch.ones(3)}, tmp_path / "model.pt")
    refused(tmp_path, "is in the format of scvi-tools", name="model.pt")
    with pytest.raises(ValueError, match=re.escape(f"'{tmp_path}/model.pt' is damaged (or is no model: ")):
        SENAVAE.load(tmp_path, allow_pickle=True)
    with pytest.raises(ValueError, match="or is no model"):
        read_pickled(tmp_path / "model.pt")


def models_in(folder):
    """Files of models. A kill between the documents can leave a scratch file, or the cells of the old model."""
    return [path.name for path in folder.iterdir() if path.name.startswith("model")]


MOMENTS = ("write_arrays", "write_document", "flush_folder", "replaced", "suppress")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("after", [True, False])
def test_a_kill_leaves_the_old_model_or_the_new_one(saved_model, folder, moment, after, exists):
    model, _ = saved_model
    if not exists:
        shutil.rmtree(folder)
    if os.fork() == 0:
        function = getattr(_folder, moment)

        def killed(*args, **kwargs):
            if after:
                function(*args, **kwargs)
            os._exit(9)

        setattr(_folder, moment, killed)
        model.mine_ = "new"
        model.save(folder, overwrite=exists)
        os._exit(0)
    os.wait()
    assert folder.exists() or not exists
    if folder.exists():
        loaded = load(folder) if exists and not hasattr(load(folder), "mine_") else SENAVAE.load(folder, adata=False)
        assert loaded.is_trained
    # The next save goes through, and leaves the files of one model
    model.save(folder, overwrite=folder.exists())
    assert len(models_in(folder)) == 2
    assert SENAVAE.load(folder, adata=False).is_trained


def test_ctrl_c_when_the_document_is_there_leaves_the_new_model(saved_model, folder, monkeypatch):
    model, _ = saved_model

    def interrupted(path):
        flush_folder(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(_replace, "flush_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.save(folder, overwrite=True)
    monkeypatch.undo()
    assert SENAVAE.load(folder, adata=False).is_trained
    model.save(folder, overwrite=True)
    assert len(models_in(folder)) == 2


def test_cells_of_somebody_else_stay(saved_model, tmp_path):
    model, _ = saved_model
    (tmp_path / "adata.h5ad").write_text("mine")
    for _ in range(2):
        model.save(tmp_path, overwrite=True, save_anndata=True)
        assert load(tmp_path).adata.n_obs == model.adata.n_obs
        assert (tmp_path / "adata.h5ad").read_text() == "mine"
        assert len(list(tmp_path.iterdir())) == 4
