from __future__ import annotations

import pytest

import scpi
from scpi.cli._gene_sets import read_sets


def test_a_file_a_collection_or_nothing(gmt):
    assert read_sets(None) is None
    assert read_sets(str(gmt)) == gmt
    assert read_sets("basic") == scpi.datasets.gene_sets("basic")


def test_a_file_comes_before_a_collection_of_its_name(gmt, monkeypatch, tmp_path):
    (tmp_path / "hallmark").write_bytes(gmt.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert read_sets("hallmark").is_file()


def test_neither_or_a_damaged_file(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="no file 'hallmrk', nor a collection .* basic, hallmark, go_bp, reactome"
    ):
        read_sets("hallmrk")
    (tmp_path / "bad.gmt").write_text("one\n")
    with pytest.raises(ValueError, match="not GMT"):
        read_sets(str(tmp_path / "bad.gmt"))
