from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from mudata import MuData

import scpi

GENES = [f"g{i}" for i in range(6)]
UNITS = ["u0", "u1", "u2"]
SCORES = np.array(
    [[4.0, 0.0, 0.1], [-2.0, 30.0, 0.0], [1.0, -10.0, 0.0], [0.0, 0.0, 0.2], [0.0, 0.0, -0.1], [0.5, 5.0, 0.0]]
)


@pytest.fixture
def adata():
    adata = ad.AnnData(np.ones((4, 6), dtype=np.float32), var=pd.DataFrame(index=GENES))
    adata.varm["saliency"] = pd.DataFrame(SCORES, index=GENES, columns=UNITS)
    adata.varm["saliency_groups"] = np.stack([SCORES, -SCORES, np.full((6, 3), np.nan)], axis=2)
    adata.uns["saliency"] = {"units": np.array(UNITS, dtype=object), "groups": np.array(["a", "b", "c"], dtype=object)}
    return adata


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def text(labels):
    return [label.get_text() for label in labels]


def test_the_first_genes_of_each_unit_each_once(adata):
    axes = scpi.pl.saliency(adata, n_genes=2, show=False)
    # g1 is the second of u0 and the first of u1; those of u2 are g3 and, of two that tie, the first, which is u0's
    assert text(axes.get_yticklabels()) == ["g0", "g1", "g2", "g3"]
    assert text(axes.get_xticklabels()) == UNITS
    np.testing.assert_allclose(drawn(axes), (SCORES / [4.0, 30.0, 0.2])[:4])
    assert axes.images[0].get_clim() == (-1.0, 1.0)
    assert [line.get_ydata()[0] for line in axes.lines] == [1.5, 2.5]


def test_units_that_cannot_be_negative_show_what_they_raise(adata):
    adata.uns["saliency"]["params"] = {"non_negative": True}
    axes = scpi.pl.saliency(adata, n_genes=2, show=False)
    # g2, which u1 lowers by more than it raises g5, is not among the first two
    assert text(axes.get_yticklabels()) == ["g0", "g2", "g1", "g5", "g3"]


@pytest.mark.parametrize(
    ("scale", "expected"), [(None, SCORES), ("gene", SCORES / np.abs(SCORES).max(axis=1, keepdims=True))]
)
def test_scales(adata, scale, expected):
    axes = scpi.pl.saliency(adata, n_genes=2, scale=scale, show=False)
    np.testing.assert_allclose(drawn(axes), expected[:4])


def test_the_strongest_units_are_drawn_in_their_order(adata):
    assert text(scpi.pl.saliency(adata, n_units=2, show=False).get_xticklabels()) == ["u0", "u1"]
    axes = scpi.pl.saliency(adata, units=["u2", "u0"], n_genes=1, show=False)
    assert text(axes.get_xticklabels()) == ["u2", "u0"]
    assert text(axes.get_yticklabels()) == ["g3", "g0"]


def test_a_group(adata):
    axes = scpi.pl.saliency(adata, n_genes=2, group="b", show=False)
    np.testing.assert_allclose(drawn(axes), -(SCORES / [4.0, 30.0, 0.2])[:4])
    assert axes.get_title() == "b"


def test_sizes_without_a_sign_have_one_colour(adata):
    adata.varm["saliency"] = adata.varm["saliency"].abs()
    axes = scpi.pl.saliency(adata, show=False)
    assert axes.images[0].get_clim() == (0.0, 1.0)
    assert axes.images[0].get_cmap().name == "Reds"


def test_units_have_the_names_of_their_sets(adata):
    adata.uns["unit_annotation"] = {
        "units": np.array(UNITS, dtype=object),
        "names": np.array(["heme", "no set (A)", "apoptosis"], dtype=object),
        "sets": np.array(["HALLMARK_HEME_METABOLISM", "", "HALLMARK_APOPTOSIS"], dtype=object),
        "apart": np.array(["", "A", ""], dtype=object),
        "zscore": np.array([4.0, 0.0, -4.0]),
        "pval_adj": np.array([0.01, 1.0, 0.01]),
        "margin": np.full(3, np.nan),
    }
    labels = text(scpi.pl.saliency(adata, show=False).get_xticklabels())
    # A minus stands before a set that the unit lowers
    assert labels == ["u0: q 0.01\nHEME METABOLISM", "u1\nno set (A)", "u2: q 0.01\n\N{MINUS SIGN} APOPTOSIS"]


def test_many_units_fit_on_a_page():
    rng = np.random.default_rng(0)
    adata = ad.AnnData(np.ones((2, 900), dtype=np.float32))
    adata.varm["saliency"] = pd.DataFrame(rng.normal(size=(900, 64)), index=adata.var_names).rename(columns=str)
    figure = scpi.pl.saliency(adata, n_units=64, return_fig=True)
    assert len(figure.axes[0].get_yticklabels()) <= 64
    assert max(figure.get_size_inches()) < 10


def test_a_unit_without_attributions_has_no_genes(adata):
    adata.varm["saliency"]["u1"] = 0.0
    axes = scpi.pl.saliency(adata, n_genes=1, show=False)
    assert text(axes.get_yticklabels()) == ["g0", "g3"]
    assert (drawn(axes)[:, 1] == 0).all()


def test_a_modality(adata):
    axes = scpi.pl.saliency(MuData({"rna": adata}), mod="rna", show=False)
    assert text(axes.get_xticklabels()) == UNITS


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"key": "other"}, KeyError, "no scores of genes in units 'other'"),
        ({"units": ["u9"]}, ValueError, "no unit 'u9'"),
        ({"group": "z"}, ValueError, "no group 'z', only 'a', 'b', 'c'"),
        ({"group": "c"}, ValueError, "No cells of the group 'c'"),
        ({"scale": "both"}, ValueError, "`scale` must be None or one of 'unit', 'gene'"),
        ({"n_genes": 0}, ValueError, "`n_genes` must be at least 1"),
    ],
)
def test_bad_input_is_named(adata, arguments, error, message):
    with pytest.raises(error, match=message):
        scpi.pl.saliency(adata, **arguments, show=False)


def test_there_may_be_no_groups(adata):
    del adata.varm["saliency_groups"]
    with pytest.raises(KeyError, match="call `scpi.tl.saliency` with `groupby`"):
        scpi.pl.saliency(adata, group="a", show=False)
