from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from scpi._run_folder import RunFolder, output_folder


def test_a_new_folder_is_not_made_yet(tmp_path):
    assert output_folder(tmp_path / "deep" / "out", overwrite=False, resume=False) == tmp_path / "deep" / "out"
    assert list(tmp_path.iterdir()) == []


def test_results_are_replaced_only_on_request(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match=r"holds files: .*overwrite=True`"):
        output_folder(tmp_path, overwrite=False, resume=False)
    assert output_folder(tmp_path, overwrite=True, resume=False) == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("place", ["file", "file/out"])
def test_a_file_in_the_way_is_an_error(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file' must be a folder, but is a file"):
        output_folder(tmp_path / place, overwrite=True, resume=False)


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="cannot be written to: .*Permission denied"):
        output_folder(tmp_path / "out", overwrite=False, resume=False)


@pytest.mark.parametrize(
    ("names", "match"), [(["unfinished/a"], "was not finished"), (["run.json"], "none to go on with")]
)
def test_what_becomes_of_another_run_must_be_said(tmp_path, names, match):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match=match):
        output_folder(tmp_path, overwrite=False, resume="run.json" in names)
    assert output_folder(tmp_path, overwrite=True, resume=False) == tmp_path


ARGUMENTS = {"seed": 0, "control": ["a", "b"]}


def write(value, path):
    path.write_text(value)


def run(out, values, *, resume=False, made=None, arguments=ARGUMENTS):
    """A run of two parts, a file and a folder, which notes what it makes."""
    folder = RunFolder(out, resume=resume)
    folder.begin(arguments)
    made = [] if made is None else made

    def make(name):
        made.append(name)
        return values[name]

    def write_folder(value, path):
        path.mkdir(exist_ok=True)
        (path / "weights").write_text(value)

    folder.part("model", lambda: make("model"), write_folder, lambda path: (path / "weights").read_text())
    found = folder.part("cells.txt", lambda: make("cells.txt"), write, Path.read_text)
    folder.keep("run.json", lambda path: path.write_text(json.dumps(values)))
    folder.finish(["model", "cells.txt"])
    return found


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


OLD, NEW = {"model": "old", "cells.txt": "old"}, {"model": "new", "cells.txt": "new"}
COMPLETE = {"model/weights": "new", "cells.txt": "new", "run.json": json.dumps(NEW), "mine": "mine"}


@pytest.fixture
def old(tmp_path):
    out = tmp_path / "out"
    run(out, OLD)
    (out / "mine").write_text("mine")
    return out


def test_results_are_exchanged_for_those_of_an_earlier_run(old):
    assert run(old, NEW) == "new"
    assert content(old) == COMPLETE


def test_nothing_is_kept_without_a_folder():
    assert run(None, NEW) == "new"


def test_a_part_that_cannot_be_written_leaves_the_others(old):
    values, made, before = {"model": "new", "cells.txt": 3}, [], content(old)
    with pytest.raises(TypeError):
        run(old, values, made=made)
    assert content(old).items() >= before.items()
    assert set(content(old)) - set(before) == {"unfinished/arguments.json", "unfinished/model/weights"}
    assert run(old, NEW, resume=True, made=made) == "new"
    assert made == ["model", "cells.txt", "cells.txt"]
    assert content(old) == COMPLETE


def test_a_new_run_forgets_the_unfinished_one(old):
    made = []
    with pytest.raises(TypeError):
        run(old, {"model": "other", "cells.txt": 3})
    run(old, NEW, made=made)
    assert made == ["model", "cells.txt"]
    assert content(old) == COMPLETE


@pytest.mark.parametrize("arguments", [{"seed": 1, "control": ["a", "b"]}, {"seed": 0}, ARGUMENTS | {"more": "x" * 99}])
def test_a_run_goes_on_with_its_own_arguments(tmp_path, arguments):
    with pytest.raises(TypeError):
        run(tmp_path / "out", {"model": "new", "cells.txt": 3})
    with pytest.raises(
        ValueError,
        match=r"begun with other arguments or data \((seed: 0, now 1|control: \['a', 'b'\], now None|more: None, now 'x+\.\.\.)\)",
    ):
        run(tmp_path / "out", NEW, resume=True, arguments=arguments)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("kept", [True, False])
def test_an_error_says_what_is_kept(tmp_path, error, kept):
    folder = RunFolder(tmp_path, resume=False)
    folder.begin({})
    with pytest.raises(error) as raised, folder.said():
        if kept:
            folder.keep("a.txt", lambda path: path.write_text("a"))
        raise error
    notes = getattr(raised.value, "__notes__", [])
    assert ["resume=True" in note for note in notes] == [True] * kept + [False] * (
        not kept and error is KeyboardInterrupt
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_step_loses_nothing_that_was_finished(old, tmp_path):
    """At every call of the functions that change files: the old results are there, or the new ones are to be had."""
    number, code = 0, 1
    while code:
        out = tmp_path / f"copy{number}"
        shutil.copytree(old, out)
        if os.fork() == 0:
            calls = 0
            for owner, name in [(Path, "replace"), (Path, "unlink"), (shutil, "rmtree"), (Path, "mkdir")]:
                function = getattr(owner, name)

                def counted(*args, function=function, number=number, **kwargs):
                    nonlocal calls
                    if calls == number:
                        os._exit(9)
                    calls += 1
                    return function(*args, **kwargs)

                setattr(owner, name, counted)
            run(out, NEW)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.wait()[1])
        found, made = content(out), []
        is_old = {name: found.get(name) for name in ("model/weights", "cells.txt")} == {
            "model/weights": "old",
            "cells.txt": "old",
        }
        assert is_old or (out / "unfinished" / "run.json").is_file() or found.get("run.json") == COMPLETE["run.json"]
        if (out / "unfinished").is_dir():
            was_complete = (out / "unfinished" / "run.json").is_file()
            assert run(out, NEW, resume=True, made=made) == "new"
            assert not (made and was_complete)
            assert {name: text for name, text in content(out).items() if ".scpi-" not in name} == COMPLETE
        number += 1
    assert number > 12
