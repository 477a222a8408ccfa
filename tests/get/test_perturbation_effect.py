from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    effects = pd.DataFrame({"perturbation": ["A", "B", "C"], "score": [9.0, 4.0, 1.0], "active": [True, True, False]})
    fractions = pd.DataFrame({"perturbation": ["A", "B", "C"], "fraction": [0.4, 0.9, 0.0]})
    guides = pd.DataFrame({"perturbation": ["A", "A"], "guide": ["A1", "A2"], "agrees": [True, False]})
    agreement = pd.DataFrame({"perturbation": ["A"], "n_guides": [2], "agree": [False]})
    adata.uns["perturbation_effect"] = {"results": effects}
    adata.uns["responders"] = {"results": fractions}
    adata.uns["guide_agreement"] = {"results": agreement, "guides": guides}
    return adata


@pytest.mark.parametrize(("active", "expected"), [(None, "ABC"), (True, "AB"), (False, "C")])
def test_effects_can_be_chosen(adata, active, expected):
    frame = scpi.get.perturbation_effect(adata, active=active)
    assert "".join(frame["perturbation"]) == expected
    assert frame.index.tolist() == list(range(len(expected)))
    frame["score"] = 0.0
    assert adata.uns["perturbation_effect"]["results"]["score"].min() == 1.0


def test_the_largest_fraction_comes_first(adata):
    assert scpi.get.responders(adata)["perturbation"].tolist() == ["B", "A", "C"]
    assert adata.uns["responders"]["results"]["perturbation"].tolist() == ["A", "B", "C"]


def test_perturbations_or_guides(adata):
    assert scpi.get.guide_agreement(adata)["n_guides"].tolist() == [2]
    assert scpi.get.guide_agreement(adata, per_guide=True)["guide"].tolist() == ["A1", "A2"]


@pytest.mark.parametrize("name", ["perturbation_effect", "responders", "guide_agreement"])
def test_what_is_missing_is_said(name):
    with pytest.raises(KeyError, match=f"scpi.tl.{name}"):
        getattr(scpi.get, name)(ad.AnnData(np.ones((1, 1), dtype=np.float32)))
