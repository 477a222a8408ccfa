from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from scpi._settings import Settings


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.delenv("SCPI_DATASETDIR", raising=False)
    logger = logging.getLogger("scpi")
    before = (list(logger.handlers), logger.level)
    yield Settings()
    logger.handlers[:], level = before
    logger.setLevel(level)


def test_datasetdir_is_the_cache_of_the_platform_by_default(settings):
    assert settings.datasetdir.name == "scpi"
    assert settings.datasetdir.is_absolute()


def test_datasetdir_follows_the_variable_until_it_is_set(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("SCPI_DATASETDIR", str(tmp_path / "variable"))
    assert settings.datasetdir == tmp_path / "variable"
    settings.datasetdir = str(tmp_path / "chosen")
    assert settings.datasetdir == tmp_path / "chosen"
    assert not settings.datasetdir.exists()


def test_datasetdir_expands_the_home_folder(settings, monkeypatch):
    settings.datasetdir = "~/cells"
    assert settings.datasetdir == Path.home() / "cells"
    monkeypatch.setenv("SCPI_DATASETDIR", "~/other")
    assert Settings().datasetdir == Path.home() / "other"


@pytest.mark.parametrize("value", [None, 3, ""])
def test_datasetdir_must_be_a_path(settings, value):
    with pytest.raises(TypeError, match="path of a folder"):
        settings.datasetdir = value


def test_datasetdir_is_not_a_file(settings, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        settings.datasetdir = file


@pytest.mark.parametrize(
    ("value", "level"), [("error", 40), ("warning", 30), ("info", 20), ("debug", 10)], ids=lambda value: str(value)
)
def test_verbosity_is_the_level_of_the_logger(settings, value, level):
    settings.verbosity = value
    assert settings.verbosity == value
    assert logging.getLogger("scpi").level == level


@pytest.mark.parametrize("value", ["loud", 3, None])
def test_verbosity_must_be_known(settings, value):
    with pytest.raises(ValueError, match="'error', 'warning', 'info', 'debug'"):
        settings.verbosity = value
    assert settings.verbosity == "info"


def test_verbosity_shows_messages_once(settings, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    settings.verbosity = "debug"
    settings.verbosity = "info"
    logging.getLogger("scpi.tl").info("said")
    logging.getLogger("scpi.tl").debug("withheld")
    assert capsys.readouterr().err == "scpi: said\n"


def test_a_configured_program_shows_messages_as_it_says(settings, capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    logging.getLogger("scpi.tl").warning("said")
    assert capsys.readouterr().err == ""


def test_n_jobs(settings):
    assert settings.n_jobs == 1
    settings.n_jobs = 3
    assert settings.n_jobs == 3
    settings.n_jobs = -1
    assert 1 <= settings.n_jobs <= os.cpu_count()


@pytest.mark.parametrize("value", [0, -2, 1.5, True, "2"])
def test_n_jobs_must_be_a_count(settings, value):
    with pytest.raises(ValueError, match="positive integer, or -1"):
        settings.n_jobs = value


def test_the_settings_say_what_they_are(settings, tmp_path):
    settings.datasetdir = tmp_path
    assert repr(settings).splitlines()[1:] == [
        f"    datasetdir = {tmp_path!r}",
        "    verbosity = 'info'",
        "    n_jobs = 1",
    ]
