from __future__ import annotations

import pytest

from scpi._gene_sets._ids import describe_ids, without_version


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("ENSG00000141510.18", "ENSG00000141510"),
        ("ENSMUSG00000059552.14", "ENSMUSG00000059552"),
        ("ENSG00000141510", "ENSG00000141510"),
        ("ENSA.1", "ENSA.1"),  # a symbol that only begins like an id
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("Y_RNA.3", "Y_RNA.3"),
    ],
)
def test_only_ensembl_ids_have_versions(identifier, expected):
    assert without_version(identifier) == expected


@pytest.mark.parametrize(
    ("ids", "kind", "example"),
    [
        (["ENSG00000141510", "ENSG00000157764.2", "TP53"], "human Ensembl ids", "ENSG00000141510"),
        (["ENSMUSG00000059552"], "mouse Ensembl ids", "ENSMUSG00000059552"),
        (["ENSDARG00000035559"], "another species (ENSDARG)", "ENSDARG00000035559"),
        (["7157", "673"], "Entrez numbers", "7157"),
        (["trp53", "TP53", "BRAF"], "human gene symbols (upper case)", "TP53"),
        (["Trp53", "Braf"], "mouse gene symbols (capitalised)", "Trp53"),
        (["p53"], "unknown kind", "p53"),
    ],
)
def test_the_most_frequent_kind_is_named_with_an_example_of_it(ids, kind, example):
    found = describe_ids(ids)
    assert kind in found
    assert found.endswith(f"such as {example!r}")


def test_repeats_of_one_id_do_not_count():
    assert "Entrez" in describe_ids(["TP53"] * 9 + ["1", "2"])
    assert describe_ids([]) == "no ids"
