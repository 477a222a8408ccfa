from __future__ import annotations

import json
import os
import shutil

import pytest

from scpi.benchmark.grid import _contents
from scpi.benchmark.grid._contents import Contents


@pytest.fixture
def old_file(tmp_path):
    path = tmp_path / "cells.h5ad"
    path.write_bytes(b"one")
    os.utime(path, (1e9, 1e9))
    return path


def test_the_content_counts_and_not_the_place(tmp_path, old_file):
    contents = Contents(tmp_path / "contents.json")
    word = contents.word(old_file)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(old_file, other / "cells.h5ad")
    assert contents.word(other / "cells.h5ad") == word
    (other / "cells.h5ad").write_bytes(b"two")
    assert contents.word(other / "cells.h5ad") != word


def test_a_folder_is_all_its_files(tmp_path):
    contents = Contents(tmp_path / "none" / "contents.json")
    store = tmp_path / "cells.zarr"
    (store / "X").mkdir(parents=True)
    (store / "X" / "0").write_bytes(b"one")
    first = contents.word(store)
    (store / "X" / "0").rename(store / "X" / "1")
    second = contents.word(store)
    (store / "X" / "1").write_bytes(b"two")
    assert len({first, second, contents.word(store)}) == 3


def test_a_file_that_did_not_change_is_not_read_again(tmp_path, old_file, monkeypatch):
    cache = tmp_path / "contents.json"
    word = Contents(cache).word(old_file)
    monkeypatch.setattr(_contents, "_of_file", None)
    assert Contents(cache).word(old_file) == word
    os.utime(old_file, (1e9 + 1, 1e9 + 1))
    with pytest.raises(TypeError):
        Contents(cache).word(old_file)


def test_what_was_written_just_now_is_read_again(tmp_path, old_file):
    cache = tmp_path / "contents.json"
    os.utime(old_file)
    Contents(cache).word(old_file)
    assert not cache.exists()


def test_a_damaged_cache_is_not_needed(tmp_path, old_file):
    cache = tmp_path / "contents.json"
    cache.write_text("{", encoding="utf-8")
    word = Contents(cache).word(old_file)
    assert json.loads(cache.read_text(encoding="utf-8"))[str(old_file)][1] == word
    with pytest.raises(FileNotFoundError, match="no file"):
        Contents(cache).word(tmp_path / "nothing.h5ad")
