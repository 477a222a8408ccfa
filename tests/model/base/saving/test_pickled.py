from __future__ import annotations

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Timer
from scvi.model.base import BaseModelClass
from scvi.train import SaveCheckpoint

import scpi
from scpi.model.base.saving._pickled import check_callbacks, read_pickled

SENAVAE = scpi.model.SENAVAE


@pytest.fixture
def pickled(saved_model, tmp_path):
    """The model in the format of scvi-tools, as older versions of scpi saved it."""
    BaseModelClass.save(saved_model[0], tmp_path / "pickled", save_anndata=True)
    return tmp_path / "pickled"


def test_it_is_read_when_it_is_asked_for_and_saved_again(saved_model, pickled, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=True"):
        SENAVAE.load(pickled)
    wanted = saved_model[0].predict(perturbation="A+C", n_cells=5, output="mean").X
    loaded = SENAVAE.load(pickled, allow_pickle=True, accelerator="cpu")
    np.testing.assert_array_equal(loaded.predict(perturbation="A+C", n_cells=5, output="mean").X, wanted)
    assert loaded.preset_ == saved_model[0].preset_
    loaded.save(pickled, overwrite=True)
    assert sorted(path.name for path in pickled.iterdir()) == ["adata.h5ad", "model.json", "model.safetensors"]
    again = SENAVAE.load(pickled, adata=loaded.adata, accelerator="cpu")
    np.testing.assert_array_equal(again.predict(perturbation="A+C", n_cells=5, output="mean").X, wanted)


def test_its_registry_is_read_when_it_is_asked_for(saved_model, pickled):
    with pytest.raises(ValueError, match="allow_pickle=True"):
        SENAVAE.load_registry(pickled)
    assert SENAVAE.load_registry(pickled, allow_pickle=True)["model_name"] == "SENAVAE"


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_file_is_damaged(pickled, part):
    content = (pickled / "model.pt").read_bytes()
    (pickled / "model.pt").write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"model\.pt' is damaged"):
        read_pickled(pickled / "model.pt")


@pytest.mark.parametrize("content", [{"weights": 1}, [1], {"attr_dict": {}, "model_state_dict": {}}])
def test_another_object_is_no_model(content, tmp_path):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="or is no model"):
        read_pickled(tmp_path / "model.pt")


@pytest.mark.parametrize("option", ["load_best_on_end", "check_nan_gradients"])
def test_callbacks_that_read_another_format_are_refused_before_training(option, screen, tmp_path, quiet):
    scpi.model.SENAVAE.setup_anndata(screen)
    model = scpi.model.SENAVAE(screen)
    callback = SaveCheckpoint(dirpath=str(tmp_path), monitor="validation_loss", **{option: True})
    with pytest.raises(ValueError, match=rf"`SaveCheckpoint\({option}=True\)` reads the format of scvi-tools"):
        model.train(max_epochs=1, callbacks=[callback], **quiet)
    assert not model.is_trained
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_saved_models(screen, tmp_path, quiet):
    cls = scpi.model.SENAVAE
    cls.setup_anndata(screen)
    callback = SaveCheckpoint(dirpath=str(tmp_path / "all"), monitor="validation_loss")
    cls(screen).train(max_epochs=2, callbacks=[callback], **quiet)
    loaded = cls.load(callback.best_model_path, adata=screen, accelerator="cpu")
    assert loaded.is_trained
    assert loaded.predict(perturbation="A", n_cells=3, output="mean").n_obs == 3


def test_other_callbacks_pass(tmp_path):
    check_callbacks([Timer(), SaveCheckpoint(dirpath=str(tmp_path))])
