from __future__ import annotations

import pytest

import scpi
from scpi import attribution, de, tl
from scpi.pl._score_names import attribution_name, saliency_name, score_name

OTHERS = ("sparse_decoder", "decoder_contrast", "tree_shap", "permutation", "limma", "logreg")


@pytest.mark.parametrize("method", [*de.methods()["method"], *attribution.methods()["method"], *OTHERS])
def test_every_score_has_a_name(method):
    assert score_name({"method": method}) != "Score"


def test_every_saliency_has_a_name():
    for method in ("decoder_effect", "latent_traversal", *attribution.methods()["method"]):
        assert saliency_name({"params": {"method": method}}) != "Score"
    assert saliency_name(None) == saliency_name({"params": {}}) == "Score"


def test_what_is_not_known_is_a_score():
    assert score_name({}) == "Score"
    assert score_name({"method": "t-test", "rankby_abs": True}) == "|t|"


def test_attributions_of_cells_are_those_of_their_ranking():
    params = {"method": "sparse_decoder", "layer_added": "own"}
    assert attribution_name(params, "own") == "Log-likelihood ratio"
    assert attribution_name(params, "other") == "Attribution"
    assert attribution_name(params | {"method": "occlusion"}, "own") == "Contribution to the margin"


def test_the_methods_of_rankings_are_those_that_are_written():
    adata = scpi.datasets.splat(60, n_genes=40, group_prob=(0.5, 0.5), rng=0)
    tl.rank_genes_gradients(adata, "group", layer_added="own")
    params = adata.uns["rank_genes_gradients"]["params"]
    assert score_name(params) == r"$\log_2$ fold change, at least"
    assert score_name(params | {"score": "mean"}) == r"Shrunken $\log_2$ fold change"
    assert attribution_name(params, "own") == "Log-likelihood ratio"
