from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi
from scpi.get._rankings import read_rankings, scores_of_group


@pytest.fixture
def adata():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(np.log1p(rng.poisson(2.0, (40, 6))).astype(np.float32), obs={"group": ["a", "b"] * 20})
    adata.var_names = list("uvwxyz")
    scpi.de.rank_genes(adata, "group", method="t-test", key_added="first")
    scpi.de.rank_genes(adata, "group", method="wilcoxon", key_added="second", rankby_abs=True)
    adata.uns["other"] = {"params": {}}
    return adata


def test_rankings_are_found_or_named(adata):
    assert list(read_rankings(adata, None, at_least=2)) == ["first", "second"]
    assert list(read_rankings(adata, ["second", "first"], at_least=2)) == ["second", "first"]
    assert list(read_rankings(adata, {"Welch": "first"}, at_least=1)) == ["Welch"]
    assert list(read_rankings(adata, "first", at_least=1)) == ["first"]


def test_too_few_are_an_error(adata):
    with pytest.raises(ValueError, match="at least two keys of rankings, not 'first'"):
        read_rankings(adata, "first", at_least=2)
    with pytest.raises(ValueError, match=r"at least two keys of rankings, not \['first'\]"):
        read_rankings(adata, ["first"], at_least=2)
    del adata.uns["second"]
    with pytest.raises(KeyError, match=r"has 1 ranking\(s\) of genes to compare"):
        read_rankings(adata, None, at_least=2)


@pytest.mark.parametrize(("absolute", "by_size"), [(None, {"second"}), (False, set()), (True, set())])
def test_scores_are_sizes_where_the_ranking_was_by_size(adata, absolute, by_size):
    for name, ranking in read_rankings(adata, None, at_least=2).items():
        found = scores_of_group(ranking, "b", absolute)
        stored = adata.uns[name]
        signed = dict(zip(stored["names"]["b"], stored["scores"]["b"], strict=True))
        expected = np.array([signed[gene] for gene in found.index], dtype=float)
        np.testing.assert_allclose(found, np.abs(expected) if name in by_size else expected, rtol=1e-6)
        assert sorted(found.index) == list("uvwxyz")
        assert (expected < 0).any()


def test_an_unknown_group_is_named(adata):
    (ranking,) = read_rankings(adata, "first", at_least=1).values()
    with pytest.raises(ValueError, match="'c'"):
        scores_of_group(ranking, "c", None)
