from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

import scpi
from scpi.get._gene_set_impact import tidy

ZSCORE = np.array([[1.0, -5.0, 2.0], [-3.0, 0.5, 4.0]])


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((2, 2), dtype=np.float32))
    adata.uns["gene_set_impact"] = {
        "units": np.array(["u", "v"], dtype=object),
        "sets": np.array(["r", "s", "t"], dtype=object),
        "size": np.array([10, 20, 30]),
        "impact": ZSCORE * 10,
        "zscore": ZSCORE,
        "pval": 10.0 ** -np.abs(ZSCORE),
        "pval_adj": 10.0 ** -np.abs(ZSCORE) * 3,
        "specificity": np.zeros((2, 3)),
    }
    return adata


def test_sets_come_by_the_size_of_their_z_score_within_each_unit(adata):
    frame = scpi.get.gene_set_impact(adata)
    assert frame.columns.tolist() == [
        *("unit", "set", "size", "impact", "zscore", "pval", "pval_adj", "specificity", "rank")
    ]
    assert (frame["unit"] + frame["set"]).tolist() == ["us", "ut", "ur", "vt", "vr", "vs"]
    assert frame["rank"].tolist() == [1, 2, 3] * 2
    assert frame["size"].tolist() == [20, 30, 10, 30, 10, 20]
    np.testing.assert_array_equal(frame["impact"], 10 * frame["zscore"])
    assert frame["zscore"].tolist() == [-5.0, 2.0, 1.0, 4.0, -3.0, 0.5]


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"units": "v"}, ["vt", "vr", "vs"]),
        ({"units": ["v", "u"], "top_n": 1}, ["vt", "us"]),
        ({"pval_cutoff": 0.003}, ["us", "vt", "vr"]),  # adjusted p-values of 3e-5, 3e-4 and, exactly, 3e-3
        ({"pval_cutoff": 0.1, "top_n": 1}, ["us", "vt"]),
    ],
)
def test_rows_can_be_chosen(adata, kwargs, expected):
    frame = scpi.get.gene_set_impact(adata, **kwargs)
    assert (frame["unit"] + frame["set"]).tolist() == expected
    assert frame.index.tolist() == list(range(len(expected)))


def test_the_cutoff_is_for_the_named_p_values(adata):
    stored = adata.uns["gene_set_impact"]
    arguments = {"units": None, "pval_cutoff": 0.0011, "top_n": None}
    assert len(tidy(stored, ["pval", "pval_adj"], pval="pval", **arguments)) == 3
    assert len(tidy(stored, ["pval", "pval_adj"], pval="pval_adj", **arguments)) == 2


def test_what_is_missing_is_said(adata):
    with pytest.raises(ValueError, match="no unit 'w', only 'u', 'v'"):
        scpi.get.gene_set_impact(adata, units="w")
    with pytest.raises(KeyError, match="gene_set_impact"):
        scpi.get.gene_set_impact(adata, key="other")
