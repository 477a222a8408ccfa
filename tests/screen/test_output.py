from __future__ import annotations

import tempfile

import pytest

from scpi.screen._output import output_folder


def test_a_new_folder_is_not_made_yet(tmp_path):
    assert output_folder(tmp_path / "deep" / "out", overwrite=False) == tmp_path / "deep" / "out"
    assert list(tmp_path.iterdir()) == []


def test_results_are_replaced_only_on_request(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileExistsError, match=r"holds files: .*overwrite=True` \(--force\)"):
        output_folder(tmp_path, overwrite=False)
    assert output_folder(tmp_path, overwrite=True) == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("place", ["file", "file/out"])
def test_a_file_in_the_way_is_an_error(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file' must be a folder, but is a file"):
        output_folder(tmp_path / place, overwrite=True)


def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="cannot be written to: .*Permission denied"):
        output_folder(tmp_path / "out", overwrite=False)
