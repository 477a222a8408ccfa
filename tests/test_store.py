from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._store import file_stem, read_result, write_result

TABLE = pd.DataFrame({"model": ["a", "b"], "rmse": [0.1, np.nan], "n_cells": [3, 4]})


def test_a_result_comes_back(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert read_result(path, "word") is None
    write_result(path, TABLE, {"fingerprint": "word"})
    pd.testing.assert_frame_equal(read_result(path, "word"), TABLE)
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("cut", [0, 1, 30, -10])
def test_a_file_that_was_cut_is_named(tmp_path, cut):
    path = tmp_path / "a.json"
    write_result(path, TABLE, {"fingerprint": "word"})
    path.write_text(path.read_text()[:cut])
    with pytest.warns(UserWarning, match="a.json' is damaged"):
        assert read_result(path, "word") is None


def test_the_result_of_something_else_is_not_taken(tmp_path):
    path = tmp_path / "a.json"
    write_result(path, TABLE, {"fingerprint": "word"})
    with pytest.warns(UserWarning, match="result of something else"):
        assert read_result(path, "other") is None


def test_names_of_files_are_short_plain_and_unique():
    assert file_stem("a b", "ä/..", 3, fingerprint="f" * 32) == f"a-b_--.._3_{'f' * 32}"
    assert len(file_stem("x" * 500, fingerprint="f" * 32)) < 100
