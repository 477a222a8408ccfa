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
        "names": np.array(["interferon (A, B)", "no set (C)", "apoptosis"], dtype=object),
        "sets": np.array(SETS, dtype=object),
        "apart": np.array(["A, B", "C", ""], dtype=object),
        "zscore": np.array([-5.0, -1.0, 5.0]),
        "pval_adj": np.array([0.04, 0.3, 2.2e-9]),
        "margin": np.array([-1.25, 2.0, np.nan]),
    }
    return adata


@pytest.mark.parametrize(
    ("n", "width", "first"),
    [
        (40, None, "\N{MINUS SIGN} INTERFERON GAMMA RESPONSE (A, B)"),
        (20, None, "\N{MINUS SIGN} INTERFERON GAMMA RE\N{HORIZONTAL ELLIPSIS} (A, B)"),
        (40, 20, "\N{MINUS SIGN} INTERFERON GAMMA\nRESPONSE (A, B)"),
    ],
)
def test_names_are_cut_wrapped_and_signed(adata, n, width, first):
    titles = unit_titles(adata, ["u2", "u1", "u0"], "annotation", n, width=width)
    # How sure a name is: the adjusted p-value, and the margin over the next set
    sure, very = "q 0.04, margin \N{MINUS SIGN}1.2", "q < $10^{-8}$"
    if width is None:
        assert titles == [f"u2: {very}\nAPOPTOSIS", "u1\nno set (C)", f"u0: {sure}\n{first}"]
    else:
        assert titles == [f"u2\nAPOPTOSIS\n{very}", "u1\nno set (C)", f"u0\n{first}\n{sure}"]


def test_units_of_one_set_have_its_whole_name(adata):
    adata.uns["annotation"]["sets"][1] = SETS[0]
    titles = unit_titles(adata, ["u0", "u1"], "annotation", 40)
    assert [title.split("\n")[1] for title in titles] == [
        "\N{MINUS SIGN} INTERFERON GAMMA RESPONSE (A, B)",
        "\N{MINUS SIGN} INTERFERON GAMMA RESPONSE (C)",
    ]


def test_without_annotation_units_have_their_names(adata):
    assert unit_titles(adata, ["a", "a long name"], "nothing", 6) == ["a", "a lon\N{HORIZONTAL ELLIPSIS}"]


def test_the_largest_units_are_chosen_in_their_order():
    names = np.array(["a", "b", "c"], dtype=object)
    assert choose_units(None, names, np.array([2.0, 1.0, 3.0]), 2) == [0, 2]
    assert choose_units(["c", "b"], names, np.zeros(3), 1) == [2, 1]
    with pytest.raises(ValueError, match="no unit 'd'"):
        choose_units("d", names, np.zeros(3), 1)
