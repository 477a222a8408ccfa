from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi


def test_sources_are_counted():
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    sources = {"b": {"values": np.array([[1.0], [0.0]])}, "a": {"values": np.array([[0.6, 0.8], [0.0, 0.0]])}}
    adata.uns["perturbation_features"] = {"names": np.array(["P", "Q"], dtype=object), "sources": sources}
    frame = scpi.get.perturbation_features(adata)
    assert frame.to_dict("list") == {
        "perturbation": ["P", "Q"],
        "a": [True, False],
        "b": [True, False],
        "n_sources": [2, 0],
    }


def test_what_is_missing_is_said():
    with pytest.raises(KeyError, match=r"scpi\.tl\.perturbation_features"):
        scpi.get.perturbation_features(ad.AnnData(np.ones((1, 1), dtype=np.float32)))
