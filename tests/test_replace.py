from __future__ import annotations

import os
from pathlib import Path

import pytest

from scpi._replace import replaced


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def write(folder, **files):
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "out").mkdir()
    write(tmp_path / "out", doc="old", data="old", more="old", mine="mine")
    return tmp_path / "out"


def test_a_new_folder_appears_as_a_whole(tmp_path):
    target = tmp_path / "a" / "b"
    with replaced(target, [], "doc") as scratch:
        write(scratch, doc="1", data="2")
        assert not target.exists()
    assert content(target) == {"doc": "1", "data": "2"}
    assert list(target.parent.iterdir()) == [target]


def test_a_new_folder_has_the_rights_of_others(tmp_path):
    with replaced(tmp_path / "new", [], "doc"):
        pass
    (tmp_path / "other").mkdir()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_old_files_go_and_those_of_others_stay(folder):
    with replaced(folder, ["doc", "data", "more", "absent"], "doc") as scratch:
        write(scratch, doc="new", data="new")
        assert content(folder / scratch.name) == {"doc": "new", "data": "new"}
        assert (folder / "doc").read_text() == "old"
    assert content(folder) == {"doc": "new", "data": "new", "mine": "mine"}


@pytest.mark.parametrize("exists", [True, False])
def test_a_failure_leaves_what_was_there(folder, exists):
    target = folder if exists else folder / "sub"
    before = content(folder)
    with pytest.raises(OSError, match="full"), replaced(target, ["doc", "data"], "doc") as scratch:
        write(scratch, doc="ne")
        msg = "full"
        raise OSError(msg)
    assert content(folder) == before


@pytest.mark.parametrize("number", range(1, 6))
def test_a_move_that_fails_is_undone(folder, monkeypatch, number):
    before, moves, replace = content(folder), [], Path.replace

    def failing(self, target):
        moves.append(self.name)
        if len(moves) == number:
            msg = "no"
            raise PermissionError(msg)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(PermissionError), replaced(folder, ["doc", "data", "more"], "doc") as scratch:
        write(scratch, doc="new", data="new")
    assert content(folder) == before
    # The file without which the others count for nothing leaves first and comes last
    assert moves[:5] == ["doc", "data", "more", "data", "doc"][:number] + moves[number:5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("number", range(6))
def test_a_kill_leaves_the_old_files_or_no_document(folder, number):
    before = content(folder)
    child = os.fork()
    if child == 0:
        done, replace = 0, Path.replace

        def killed(self, target):
            nonlocal done
            if done == number:
                os._exit(9)
            done += 1
            return replace(self, target)

        Path.replace = killed
        with replaced(folder, ["doc", "data", "more"], "doc") as scratch:
            write(scratch, doc="new", data="new")
        os._exit(0)
    os.waitpid(child, 0)
    left = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    if number == 0:
        assert left == before
    elif number == 5:
        assert left == {"doc": "new", "data": "new", "mine": "mine"}
    else:
        assert "doc" not in left and left["mine"] == "mine"
