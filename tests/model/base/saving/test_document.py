from __future__ import annotations

import json
import math
import re

import pytest

from scpi.model.base.saving import _document
from scpi.model.base.saving._document import checks, damaged, read_document, write_document

ENTRIES = {"files": {"a": {"bytes": 3}}, "registry": {"é": [1, 2.5, None, "\u2028"]}}


@pytest.fixture
def path(tmp_path):
    write_document(tmp_path / "model.json", ENTRIES)
    return tmp_path / "model.json"


def test_entries_come_back(path):
    assert read_document(path) == {"format": "scpi model", "version": 1} | ENTRIES | {"crc32": path.read_text()[11:19]}


def test_it_is_json_with_one_entry_per_line(path):
    text = path.read_text(encoding="utf-8")
    assert json.loads(text)["registry"] == ENTRIES["registry"]
    assert [line.split(":")[0] for line in text.splitlines()] == [
        *('{"crc32"', '"format"', '"version"', '"files"', '"registry"', "}"),
    ]


@pytest.mark.parametrize("bit", [1, 32, 128])
def test_every_changed_byte_is_found(path, bit):
    content = path.read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= bit
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"model.json' (is damaged|was not saved by scpi)"):
            read_document(path)


def test_every_cut_is_found(path):
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"model.json' is damaged \(.*\): take another copy of the folder"):
            read_document(path)


def test_a_newer_version_is_named(path, monkeypatch):
    monkeypatch.setattr(_document, "VERSION", 7)
    write_document(path, ENTRIES)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"was saved by a newer scpi, in format 7, .* up to 1: update scpi\.$"):
        read_document(path)


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None])
def test_other_versions_are_damage(path, monkeypatch, version):
    monkeypatch.setattr(_document, "VERSION", version)
    write_document(path, ENTRIES)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=re.escape(f"version {version!r}")):
        read_document(path)


def test_other_json_is_not_of_scpi(path):
    path.write_text('{"model": "SCVI"}')
    with pytest.raises(ValueError, match="was not saved by scpi: give the folder of a model of scpi"):
        read_document(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"3", b"\xff\xfe", b"\x80\x04N.", b'{"a": NaN}', b"[" * 10**5, b'{"a": ' + b"9" * 10**4 + b"}"],
)
def test_what_is_no_document_is_damage(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as error:
        read_document(path)
    assert "\n" not in str(error.value)


def test_numbers_that_json_lacks_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_document(tmp_path / "model.json", {"a": math.nan})


def test_checks_are_size_and_crc(tmp_path, monkeypatch):
    monkeypatch.setattr(_document, "_BLOCK", 4)
    (tmp_path / "a").write_bytes(b"123456789")
    # The check value of CRC-32 in its definition
    assert checks(tmp_path / "a") == {"bytes": 9, "crc32": "cbf43926"}


def test_damage_is_one_sentence(tmp_path):
    assert str(damaged(tmp_path / "a", "one\n  two")) == (
        f"'{tmp_path}/a' is damaged (one two): take another copy of the folder, or save the model again."
    )
