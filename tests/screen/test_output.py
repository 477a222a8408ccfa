from __future__ import annotations

import pytest

from scpi.screen._output import staged_folder


def test_files_appear_when_all_are_written(tmp_path):
    out = tmp_path / "deep" / "out"
    with staged_folder(out) as folder:
        (folder / "a.txt").write_text("new", encoding="utf-8")
        (folder / "model").mkdir()
        (folder / "model" / "b.txt").write_text("new", encoding="utf-8")
        assert not out.exists()
    assert (out / "a.txt").read_text(encoding="utf-8") == "new"
    assert (out / "model" / "b.txt").is_file()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("old", encoding="utf-8")

    def fail():
        with staged_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("new", encoding="utf-8")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (tmp_path / "out" / "a.txt").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_results_of_an_earlier_run_are_replaced_and_other_files_stay(tmp_path):
    out = tmp_path / "out"
    (out / "model").mkdir(parents=True)
    (out / "model" / "old.txt").touch()
    (out / "mine.txt").touch()
    with staged_folder(out) as folder:
        (folder / "model").mkdir()
        (folder / "model" / "new.txt").touch()
    assert sorted(path.name for path in (out / "model").iterdir()) == ["new.txt"]
    assert (out / "mine.txt").exists()


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="is a file"), staged_folder(tmp_path / "out"):
        pass
