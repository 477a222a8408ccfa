from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.tl._set_tests import RankedGenes, over_representation, preranked

MEMBERSHIP = sparse.csr_matrix(np.arange(60)[:, None] // 20 == np.arange(2))


def test_over_representation_is_fisher_of_the_better_direction():
    change = np.zeros(60, dtype=int)
    change[[0, 1, 2, 3, 4, 30, 50]] = 1
    change[[5, 21, 22, 23, 24, 25, 26]] = -1
    table = over_representation(change, MEMBERSHIP)
    assert table["direction"].tolist() == ["up", "down"]
    assert table["n_changed"].tolist() == [5, 6]
    np.testing.assert_allclose(table["n_expected"], 7 / 3)
    expected = [stats.fisher_exact([[k, 20 - k], [7 - k, 33 + k]], alternative="greater").pvalue for k in (5, 6)]
    np.testing.assert_allclose(table["pval"], 2.0 * np.array(expected))


def test_without_changed_genes_nothing_is_over_represented():
    assert over_representation(np.zeros(60, dtype=int), MEMBERSHIP)["pval"].tolist() == [1.0, 1.0]


@pytest.mark.smoke("gseapy")
def test_over_representation_is_that_of_gseapy():
    gseapy = pytest.importorskip("gseapy")
    change = np.zeros(60, dtype=int)
    change[[0, 1, 2, 3, 30, 50]] = 1
    names = [f"g{i}" for i in range(60)]
    found = gseapy.enrich(
        gene_list=[names[i] for i in np.flatnonzero(change)],
        gene_sets={"a": names[:20], "b": names[20:40]},
        background=names,
        outdir=None,
    ).results.set_index("Term")
    table = over_representation(change, MEMBERSHIP)
    np.testing.assert_allclose(table["pval"], np.minimum(2.0 * found.loc[["a", "b"], "P-value"].to_numpy(float), 1.0))


@pytest.mark.smoke("gseapy")
def test_preranked_genes():
    pytest.importorskip("gseapy")
    scores = np.random.default_rng(0).normal(size=60)
    scores[:20] -= 3.0
    table = preranked(scores, MEMBERSHIP, seed=1, n_permutations=200)
    assert table["n_genes"].tolist() == [20, 20]
    assert table["direction"][0] == "down"
    assert table["nes"][0] < -1.5
    # The smallest p-value that so many random sets allow
    assert table["pval"][0] == pytest.approx(1 / 201)


def test_which_genes_are_on_the_list():
    genes = RankedGenes(np.arange(60), np.r_[np.ones(30), -np.ones(30)], np.linspace(-2, 2, 60), np.linspace(0, 1, 60))
    assert np.abs(genes._changes()).sum() == 3
    assert genes._changes(pval_cutoff=1.0, log2fc_min=1.9).tolist() == [1, 1, *[0] * 56, -1, -1]


def test_a_list_needs_p_values():
    genes = RankedGenes(np.arange(60), np.ones(60), np.ones(60), np.full(60, np.nan))
    with pytest.raises(ValueError, match="which the ranking lacks: use method='prerank'"):
        genes.test("ora", MEMBERSHIP, rng=np.random.default_rng(0))
