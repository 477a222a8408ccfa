from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from scpi._gene_sets import parse_gene_sets

GMT = "SET_A\tabout\tTP53\tJAK2\tTP53\t\t\nset with spaces (GO:1)\t\tIL6 \tA,1.0\tB,0.5\nEMPTY\tabout\n\nSET_A\tagain\tMYC\n"
EXPECTED = {"SET_A": ["TP53", "JAK2", "MYC"], "set with spaces (GO:1)": ["IL6", "A", "B"], "EMPTY": []}


@pytest.mark.parametrize("suffix", ["gmt", "gmt.gz"])
def test_gmt_of_all_sorts(tmp_path, suffix):
    path = tmp_path / f"sets.{suffix}"
    path.write_bytes(gzip.compress(GMT.encode()) if suffix.endswith("gz") else GMT.replace("\n", "\r\n").encode())
    assert parse_gene_sets(path) == EXPECTED
    assert parse_gene_sets(str(path)) == EXPECTED


def test_mapping():
    sets = {"a": ["X", "Y", "X"], "b": {"Z"}, "c": np.array(["Q"]), "d": ()}
    assert parse_gene_sets(sets) == {"a": ["X", "Y"], "b": ["Z"], "c": ["Q"], "d": []}


def test_membership_frame():
    frame = pd.DataFrame({"a": [True, False, True], "b": [False, False, True]}, index=["X", "Y", "Z"])
    assert parse_gene_sets(frame) == {"a": ["X", "Z"], "b": ["Z"]}
    assert parse_gene_sets(frame.astype(float)) == {"a": ["X", "Z"], "b": ["Z"]}


def test_network():
    net = pd.DataFrame(
        {"source": ["TF2", "TF1", "TF2", "TF2"], "target": ["X", "Y", "Z", "X"], "weight": [1, -1, 2, 1]}
    )
    assert parse_gene_sets(net) == {"TF2": ["X", "Z"], "TF1": ["Y"]}
    renamed = net.rename(columns={"source": "geneset", "target": "genesymbol"})
    assert parse_gene_sets(renamed, source="geneset", target="genesymbol") == {"TF2": ["X", "Z"], "TF1": ["Y"]}


def test_real_files(test_data):
    sizes = {
        "hallmark_human_v7.0.gmt": 50,
        "hallmark_mouse.gmt": 50,
        "reactome_human.gmt": 2504,
        "reactome_mouse.gmt": 2504,
        "go_bp_2021_enrichr.gmt": 6036,
    }
    for name, n_sets in sizes.items():
        sets = parse_gene_sets(test_data(name))
        assert len(sets) == n_sets
        assert all(len(ids) == len(set(ids)) and "" not in ids for ids in sets.values())
    # An empty description is not a gene, and no gene is lost to it
    assert parse_gene_sets(test_data("go_bp_2021_enrichr.gmt"))["2-oxoglutarate metabolic process (GO:0006103)"][
        :2
    ] == [
        "IDH1",
        "PHYH",
    ]
    assert len(parse_gene_sets(test_data("hallmark_human_v7.0.gmt"))["HALLMARK_HYPOXIA"]) == 200


@pytest.mark.parametrize(
    ("sets", "error", "match"),
    [
        ("no/such/file.gmt", FileNotFoundError, "no/such/file.gmt"),
        (["A", "B"], TypeError, "not list"),
        ({"a": "TP53"}, TypeError, "'a' must be a list"),
        ({"a": []}, ValueError, "no genes"),
        ({}, ValueError, "no genes"),
        (pd.DataFrame({"a": [0.5]}, index=["X"]), ValueError, "boolean"),
        (pd.DataFrame({"geneset": ["a"], "gene": ["X"]}), ValueError, "'geneset', 'gene'"),
        (pd.DataFrame([[True, True]], columns=["a", "a"], index=["X"]), ValueError, "different names"),
    ],
)
def test_bad_input(sets, error, match):
    with pytest.raises(error, match=match):
        parse_gene_sets(sets)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"just a line of text\n", "Line 1 .* is not GMT"),
        (b"A\tb\tC\n\tb\tC\n", "Line 2 .* is not GMT"),
        (gzip.compress(b"A\tb\tC\n" * 1000, mtime=0)[:30], "damaged"),
        (b"\xff\xfe\x00A\tb\tC", "damaged"),
    ],
)
def test_damaged_files(tmp_path, content, match):
    path = tmp_path / "sets.gmt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match):
        parse_gene_sets(path)
