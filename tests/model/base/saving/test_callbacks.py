from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import Timer
from scvi.train import SaveCheckpoint

import scpi
from scpi.model.base.saving._callbacks import check_callbacks


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
    assert loaded.predict(perturbation="A", n_cells=3).n_obs == 3


def test_other_callbacks_pass(tmp_path):
    check_callbacks([Timer(), SaveCheckpoint(dirpath=str(tmp_path))])
