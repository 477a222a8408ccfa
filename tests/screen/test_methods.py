from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from anndata import AnnData

from scpi.screen._methods import methods


def result(*, held_out=("A+B",), method=None, effects=True):
    adata = AnnData(np.ones((3, 4)), varm={"gene_sets": np.ones((4, 2))})
    if effects:
        adata.uns["perturbation_effect"] = {}
    if method is not None:
        adata.uns["differential_expression"] = {"params": {"method": method}}
    return SimpleNamespace(
        adata=adata,
        settings={
            "versions": {"scpi": "0.9", "torch": "2.1"},
            "likelihood": "nb",
            "max_epochs": None,
            "seed": 7,
            "exclude_targets": True,
        },
        model=SimpleNamespace(preset_=SimpleNamespace(max_epochs=100), n_factors_=6),
        held_out=list(held_out),
    )


def test_numbers_and_versions_are_those_of_the_run():
    text = methods(result())
    assert text.startswith("3 cells and 4 genes were analysed with scpi 0.9, torch 2.1.")
    assert "with 6 causal factors, 2 gene sets and a nb likelihood was trained for at most 100 epochs (seed 7)" in text
    assert "1 condition was held out of all training" in text
    assert "a fifth of the cells of every condition" in methods(result(held_out=()))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("limma", "tested by limma-voom (Law et al., 2014"),
        ("wilcoxon", "tested by the rank-sum test on cells"),
    ],
)
def test_the_test_of_genes_is_the_one_that_was_done(method, expected):
    assert expected in methods(result(method=method))
    assert "Differential expression" not in methods(result())


def test_what_was_not_tested_is_not_claimed():
    assert "energy distance from control cells, of genes that are not perturbed themselves" in methods(result())
    counted = result()
    counted.settings["exclude_targets"] = False
    assert "energy distance from control cells, of all genes" in methods(counted)
    del counted.adata.varm["gene_sets"]
    assert "6 causal factors, no gene sets and" in methods(counted)
    assert "energy distance" not in methods(result(effects=False))
