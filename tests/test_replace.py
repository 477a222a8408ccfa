from __future__ import annotations

import os
from pathlib import Path

import pytest

from scpi._replace import replaced


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    return tmp_path / "a.txt"


def test_a_new_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replaced(path) as scratch:
        scratch.write_text("half")
        assert not path.exists()
        assert scratch.suffix == ".txt"
        scratch.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_what_was_there(path, error):
    with pytest.raises(error), replaced(path) as scratch:
        scratch.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_file_has_the_rights_of_others(path):
    with replaced(path) as scratch:
        scratch.write_text("after")
    path.with_name("other").touch()
    assert path.stat().st_mode == path.with_name("other").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_kill_leaves_the_old_file_or_the_new_one(path, moment, monkeypatch):
    if os.fork() == 0:
        owner = {"write": Path, "fsync": os, "replace": Path}[moment]
        setattr(owner, {"write": "write_text"}.get(moment, moment), lambda *args, **kwargs: os._exit(9))
        with replaced(path) as scratch:
            scratch.write_text("after")
        os._exit(0)
    os.wait()
    assert path.read_text() == "before"
