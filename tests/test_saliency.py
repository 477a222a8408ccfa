from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._saliency import find_units, has_non_negative_units, order_genes, read_saliency

SCORES = np.arange(6.0).reshape(3, 2)


def stored(value, names=None):
    adata = ad.AnnData(np.ones((2, 3), dtype=np.float32), var=pd.DataFrame(index=["x", "y", "z"]))
    adata.varm["saliency"] = value
    if names is not None:
        adata.uns["saliency"] = {"units": names}
    return adata


@pytest.mark.parametrize(
    ("value", "names", "expected"),
    [
        (pd.DataFrame(SCORES, index=["x", "y", "z"], columns=["u", "v"]), None, ["u", "v"]),
        (SCORES, ["p", "q"], ["p", "q"]),
        (SCORES.astype(np.float32), None, ["0", "1"]),
    ],
)
def test_names_come_from_the_columns_the_results_or_numbers(value, names, expected):
    values, units = read_saliency(stored(value, names))
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, SCORES)
    assert units.tolist() == expected


def test_units_have_both_signs_unless_their_model_said_otherwise():
    adata = stored(SCORES)
    assert not has_non_negative_units(adata, "saliency")
    for params, expected in (({}, False), ({"non_negative": False}, False), ({"non_negative": np.True_}, True)):
        adata.uns["saliency"] = {"params": params}
        assert has_non_negative_units(adata, "saliency") is expected


@pytest.mark.parametrize(
    ("non_negative", "sign", "expected"),
    [
        (False, "both", [1, 4, 0, 2]),
        # All that the unit raises stands before what it lowers, however much that is
        (True, "both", [4, 2, 1, 0]),
        (True, "positive", [4, 2]),
        (True, "negative", [1, 0]),
        (False, "negative", [1, 0]),
    ],
)
def test_genes_in_the_order_of_a_program(non_negative, sign, expected):
    scores = np.array([-2.0, -9.0, 1.0, 0.0, 3.0])
    assert order_genes(scores, non_negative=non_negative, sign=sign).tolist() == expected


@pytest.mark.parametrize(
    ("value", "names", "message"),
    [
        (np.full((3, 2), np.nan), None, "NaN or infinite"),
        (np.zeros((3, 0)), None, r"at least one unit, but has shape \(3, 0\)"),
        (SCORES, ["p", "p"], "has 2 units, but 1 different names"),
        (SCORES, ["p", "q", "r"], "has 2 units, but 3 different names"),
    ],
)
def test_what_is_no_score_of_units_is_refused(value, names, message):
    with pytest.raises(ValueError, match=message):
        read_saliency(stored(value, names))


def test_a_missing_entry_is_named_beside_what_there_is():
    with pytest.raises(KeyError, match=r"no scores of genes in units 'other', only 'saliency'"):
        read_saliency(stored(SCORES), "other")


def test_units_are_found_in_the_order_that_is_asked_for():
    units = np.array(["a", "b", "3"], dtype=object)
    assert find_units(None, units) == [0, 1, 2]
    assert find_units("b", units) == [1]
    assert find_units([3, "a"], units) == [2, 0]
    with pytest.raises(ValueError, match="no unit 'z', only 'a', 'b', '3'"):
        find_units(["a", "z"], units)
