from __future__ import annotations

import logging

import numpy as np
import pytest

from scpi._gene_sets import match_gene_sets


def test_membership_and_sizes():
    sets = {"one": ["B", "A", "Q"], "two": ["C"], "three": ["C", "A", "B", "D"]}
    match = match_gene_sets(["A", "B", "C", "D", "E"], sets, min_size=2, max_size=3)
    assert match.names.tolist() == ["one"]
    np.testing.assert_array_equal(match.membership.toarray().ravel(), [True, True, False, False, False])
    assert match.membership.dtype == bool
    assert match.sizes.tolist() == [2]
    assert match.total_sizes.tolist() == [3]
    assert match.coverage == {
        "n_genes": 5,
        "n_genes_matched": 4,
        "n_genes_in_sets": 2,
        "share_of_genes_in_sets": 0.4,
        "n_ids": 5,
        "n_ids_measured": 4,
        "n_sets": 3,
        "n_sets_kept": 1,
        "n_sets_too_small": 1,
        "n_sets_too_large": 1,
    }


def test_versions_of_ensembl_ids_are_ignored():
    sets = {"s": ["ENSG00000141510.18", "ENSG00000096968", "ENSG00000141510.2"]}
    match = match_gene_sets(["ENSG00000141510", "ENSG00000096968.4", "RP11-34P13.3"], sets, min_size=1)
    np.testing.assert_array_equal(match.membership.toarray().ravel(), [True, True, False])
    assert match.total_sizes.tolist() == [2]
    # What is behind the point of other ids is part of them
    match = match_gene_sets(["RP11-34P13.3", "RP11-34P13.4"], {"s": ["RP11-34P13.3"]}, min_size=1)
    assert match.sizes.tolist() == [1]


def test_id_map_and_genes_with_the_same_id():
    mapping = {"ENSG00000000001.1": "TP53", "ENSG00000000002": "TP53", "ENSG00000000003": "MYC"}
    genes = ["ENSG00000000001", "ENSG00000000002.7", "ENSG00000000003", "JAK2"]
    match = match_gene_sets(genes, {"s": ["TP53", "JAK2"]}, min_size=1, id_map=mapping)
    np.testing.assert_array_equal(match.membership.toarray().ravel(), [True, True, False, True])
    assert match.sizes.tolist() == [3]
    assert match.total_sizes.tolist() == [2]


def test_case(caplog):
    mouse, human = ["Stat1", "Jak2", "Actb", "Irf1"], {"s": ["STAT1", "JAK2", "IRF1"]}
    with caplog.at_level(logging.WARNING, logger="scpi"):
        match = match_gene_sets(mouse, human, min_size=3)
    assert match.case == "upper"
    assert match.sizes.tolist() == [3]
    assert "capitalised" in caplog.text
    caplog.clear()
    # Human symbols with small letters do not make a match worse that fits as it is
    match = match_gene_sets(["C1orf112", "STAT1", "C1ORF50"], {"s": ["C1orf112", "STAT1", "C1orf50"]}, min_size=1)
    assert match.case == "exact"
    assert match.sizes.tolist() == [2]
    assert not caplog.text
    with pytest.raises(ValueError, match=r"mouse gene symbols .*'Stat1'.* human gene symbols .*'STAT1'"):
        match_gene_sets(mouse, human, case="exact")
    assert match_gene_sets(["C1ORF50"], {"s": ["C1orf50"]}, min_size=1, case="upper").sizes.tolist() == [1]


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (["ENSG00000141510", "ENSG00000096968.4"], "human Ensembl ids"),
        (["ENSMUSG00000059552"], "mouse Ensembl ids"),
        (["ENSDARG00000035559"], r"Ensembl ids of another species \(ENSDARG\)"),
        (["7157", "3717"], "Entrez numbers"),
        (["TP53", "JAK2", "C1orf112"], r"human gene symbols \(upper case\)"),
        (["Trp53", "Jak2"], r"mouse gene symbols \(capitalised\)"),
        (["gene1", "gene2"], "ids of an unknown kind"),
    ],
)
def test_kinds_of_ids_on_both_sides(ids, kind):
    with pytest.raises(
        ValueError, match=f"No gene .* The data has {kind}.*; the sets have Entrez numbers, such as '1'"
    ):
        match_gene_sets(ids, {"s": ["1", "2"]})
    with pytest.raises(ValueError, match=f"the sets have {kind}"):
        match_gene_sets(["@"], {"s": ids})


def test_bad_limits():
    with pytest.raises(ValueError, match="min_size"):
        match_gene_sets(["A"], {"s": ["A"]}, min_size=0)
    with pytest.raises(ValueError, match="min_size"):
        match_gene_sets(["A"], {"s": ["A"]}, min_size=5, max_size=4)
    with pytest.raises(ValueError, match="largest has 1 measured genes, 1 have fewer than min_size=5"):
        match_gene_sets(["A"], {"s": ["A"]})
    with pytest.raises(ValueError, match="'auto', 'exact', 'upper'"):
        match_gene_sets(["A"], {"s": ["A"]}, case="lower")
