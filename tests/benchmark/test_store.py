from __future__ import annotations

import json

import pandas as pd
import pytest

from scpi.benchmark._store import file_stem, read_result, replaced, write_result

TABLE = pd.DataFrame({"model": ["a", "b"], "rmse": [0.1, float("nan")], "n": [1, 2]})


def test_names_are_readable_and_those_of_one_fingerprint():
    assert file_stem("my model", "T/NK é", 0, fingerprint="f00") == "my-model_T-NK--_0_f00"
    assert len(file_stem("x" * 300, fingerprint="f00")) == 60 + 4
    assert file_stem("a b", fingerprint="1") != file_stem("a-b", fingerprint="2")


def test_a_result_comes_back_with_what_made_it(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert read_result(path, "f00") is None
    write_result(path, TABLE, {"fingerprint": "f00", "name": "a"})
    pd.testing.assert_frame_equal(read_result(path, "f00"), TABLE)
    assert json.loads(path.read_text())["made_by"] == {"fingerprint": "f00", "name": "a"}
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"made_by": {"fingerprint": "other"}, "scores": {}}', "the result of something else"),
        ('{"made_by": {"fing', "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"scores": {}}', "KeyError"),
    ],
)
def test_a_damaged_file_is_no_result(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.warns(UserWarning, match=rf"a\.json' is damaged \(.*{message}"):
        assert read_result(path, "f00") is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError, match="broken"), replaced(path) as scratch:
        scratch.write_text("half")
        raise RuntimeError("broken")
    assert path.read_text() == "before"
    with replaced(path) as scratch:
        scratch.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
