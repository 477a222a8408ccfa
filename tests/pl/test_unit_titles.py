from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from scpi.pl._unit_titles import choose_units, unit_titles

SETS = ["HALLMARK_INTERFERON_GAMMA_RESPONSE", "", "HALLMARK_APOPTOSIS"]


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((1, 1), dtype=np.float32))
    adata.uns["annotation"] = {
        "units": np.array(["u0", "u1", "u2"], dtype=object),
        "sets": np.array(SETS, dtype=object),
        "zscore": np.array([-5.0, -1.0, 5.0]),
    }
    return adata


@pytest.mark.parametrize(
    ("n", "width", "first"),
    [
        (40, None, "\N{MINUS SIGN} INTERFERON GAMMA RESPONSE"),
        (20, None, "\N{MINUS SIGN} INTERFERON GAMMA RE\N{HORIZONTAL ELLIPSIS}"),
        (40, 20, "\N{MINUS SIGN} INTERFERON GAMMA\nRESPONSE"),
    ],
)
def test_names_are_cut_wrapped_and_signed(adata, n, width, first):
    titles = unit_titles(adata, ["u2", "u1", "u0"], "annotation", n, width=width)
    assert titles == ["u2\nAPOPTOSIS", "u1", f"u0\n{first}"]


def test_without_annotation_units_have_their_names(adata):
    assert unit_titles(adata, ["a", "a long name"], "nothing", 6) == ["a", "a lon\N{HORIZONTAL ELLIPSIS}"]


def test_the_largest_units_are_chosen_in_their_order():
    names = np.array(["a", "b", "c"], dtype=object)
    assert choose_units(None, names, np.array([2.0, 1.0, 3.0]), 2) == [0, 2]
    assert choose_units(["c", "b"], names, np.zeros(3), 1) == [2, 1]
    with pytest.raises(ValueError, match="no unit 'd'"):
        choose_units("d", names, np.zeros(3), 1)
