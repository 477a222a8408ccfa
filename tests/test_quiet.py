from __future__ import annotations

import logging
import warnings

import lightning.pytorch  # noqa: F401 - sets its level and filters when it is imported
import pytest

import scpi
from scpi._quiet import calm_lightning, quiet_lightning, quiet_transfer


def test_levels_and_filters_come_back_after_an_error():
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level, list(warnings.filters)
    with pytest.raises(RuntimeError), quiet_lightning():
        assert logger.level == logging.ERROR
        assert logging.getLogger("scpi").level == logging.WARNING
        raise RuntimeError
    assert (logger.level, list(warnings.filters)) == before


def test_warnings_of_others_are_shown():
    with pytest.warns(UserWarning, match="of mine"), quiet_lightning():
        warnings.warn("of mine", stacklevel=1)
        warnings.warn_explicit("of Lightning", UserWarning, "x.py", 1, module="lightning.pytorch.trainer")


def test_notes_of_scpi_are_shown_beside_those_that_are_not():
    level = logging.getLogger("scpi").level
    with calm_lightning():
        assert logging.getLogger("lightning.pytorch").level == logging.ERROR
        assert logging.getLogger("scpi").level == level


def test_the_note_of_a_transfer_is_shown_to_who_looks_for_an_error(monkeypatch):
    logger = logging.getLogger("scvi")
    before = logger.level
    with quiet_transfer():
        assert logger.level == logging.WARNING
    assert logger.level == before
    monkeypatch.setattr(scpi.settings, "verbosity", "debug")
    with quiet_transfer():
        assert logger.level == before


def test_all_is_shown_to_who_looks_for_an_error(monkeypatch):
    monkeypatch.setattr(scpi.settings, "verbosity", "debug")
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level, list(warnings.filters)
    with calm_lightning():
        assert (logger.level, list(warnings.filters)) == before


def test_a_training_is_silent_but_for_its_progress_bar(capfd, recwarn):
    adata = scpi.datasets.gene_programs(60, 30, 2, n_genes_per_program=5)
    scpi.model.GeneProgramAE.setup_anndata(adata)
    model = scpi.model.GeneProgramAE(adata, n_units=2)
    capfd.readouterr()
    model.train(max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    assert capfd.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn if "lightning" in one.filename] == []
