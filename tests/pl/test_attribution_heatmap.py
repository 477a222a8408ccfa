from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi._ranking import Ranking, write_ranking

GENES = [f"g{i}" for i in range(8)]
SCORES = np.array([[5.0, 4, 3, 0, -1, 0, 0, -6], [0, 4, 0, 6, 1, 0, 0, 2], [0.1, 0, 0, 0, 0.3, 0.2, 0, 0.1]])


@pytest.fixture
def adata():
    labels = np.repeat(["b", "a", "c", "other"], [3, 40, 7, 5])
    adata = ad.AnnData(np.ones((55, 8), dtype=np.float32), obs={"group": labels}, var=pd.DataFrame(index=GENES))
    blank = np.full(SCORES.shape, np.nan)
    names = (np.array(values, dtype=object) for values in (["a", "b", "c"], GENES))
    write_ranking(adata, "rank_genes_gradients", Ranking(*names, SCORES, *[blank] * 3, params={"groupby": "group"}))
    # Each value says its cell and its gene
    adata.layers["attribution"] = np.arange(55)[:, None] + np.arange(8) / 10
    return adata


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def text(labels):
    return [label.get_text() for label in labels]


def test_the_first_genes_of_each_group(adata):
    axes = scpi.pl.attribution_heatmap(adata, n_genes=2, show=False)
    # g1 is the second of both a and b
    rows = ["g0", "g1", "g3", "g4", "g5"]
    assert text(axes.get_yticklabels()) == rows
    assert text(axes.get_xticklabels()) == ["a", "b", "c"]
    np.testing.assert_allclose(drawn(axes), SCORES[:, [0, 1, 3, 4, 5]].T)
    low, high = axes.images[0].get_clim()
    assert low == -high
    across = sorted(line.get_ydata()[0] for line in axes.lines if line.get_ydata()[0] == line.get_ydata()[1])
    assert across == [1.5, 2.5]


def test_chosen_groups_and_genes(adata):
    axes = scpi.pl.attribution_heatmap(adata, groups=["c", "a"], genes=["g7", "g0"], show=False)
    np.testing.assert_allclose(drawn(axes), SCORES[np.ix_([2, 0], [7, 0])].T)
    assert text(axes.get_xticklabels()) == ["c", "a"]


def test_scales(adata):
    by_group = drawn(scpi.pl.attribution_heatmap(adata, genes=GENES, scale="group", show=False))
    np.testing.assert_allclose(by_group, (SCORES / np.array([6.0, 6.0, 0.3])[:, None]).T, rtol=1e-6)
    by_gene = drawn(scpi.pl.attribution_heatmap(adata, genes=GENES, scale="gene", show=False))
    largest = np.abs(SCORES).max(axis=0)
    np.testing.assert_allclose(by_gene, (SCORES / np.where(largest > 0, largest, 1)).T, rtol=1e-6)
    figure = scpi.pl.attribution_heatmap(adata, scale="gene", return_fig=True)
    assert figure.axes[1].get_ylabel() == "Score / largest of the gene"
    # Cells are scaled by gene unless something else is asked for
    of_cells = drawn(scpi.pl.attribution_heatmap(adata, genes=GENES, layer="attribution", show=False))
    np.testing.assert_allclose(of_cells.max(axis=1), 1.0)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_cells_stand_by_group(adata, kind):
    adata.layers["attribution"] = kind(adata.layers["attribution"])
    axes = scpi.pl.attribution_heatmap(
        adata, genes=["g2", "g1"], layer="attribution", n_cells=10, scale=None, show=False
    )
    # Cells 3 to 42 are of a, in fours; 0 to 2 of b, several times; 43 to 49 of c
    cells = [*range(3, 43, 4), 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 43, 43, 44, 45, 45, 46, 47, 47, 48, 49]
    np.testing.assert_allclose(drawn(axes), np.add.outer([0.2, 0.1], cells))
    assert text(axes.get_xticklabels()) == ["a", "b", "c"]
    np.testing.assert_allclose(axes.get_xticks(), [4.5, 14.5, 24.5])
    scaled = drawn(
        scpi.pl.attribution_heatmap(
            adata, genes=["g2", "g1"], layer="attribution", n_cells=10, scale="group", show=False
        )
    )
    np.testing.assert_allclose(scaled, drawn(axes) / np.repeat([39.2, 2.2, 49.2], 10))


def test_many_groups_have_fewer_genes():
    n = 40
    adata = ad.AnnData(np.ones((2, 200), dtype=np.float32))
    scores = np.random.default_rng(0).normal(size=(n, 200))
    blank = np.full(scores.shape, np.nan)
    names = (np.array(values, dtype=object) for values in ([f"group {i}" for i in range(n)], list(adata.var_names)))
    write_ranking(adata, "rank_genes_gradients", Ranking(*names, scores, *[blank] * 3))
    figure = scpi.pl.attribution_heatmap(adata, n_genes=5, return_fig=True)
    assert len(figure.axes[0].get_yticks()) <= 60
    assert figure.get_figheight() <= 9


def test_nothing_overlaps(adata):
    figure = scpi.pl.attribution_heatmap(adata, layer="attribution", scale=None, return_fig=True)
    # Rows are not smeared into their neighbours
    assert figure.axes[0].images[0].get_interpolation() == "nearest"
    figure.draw_without_rendering()
    axes, bar = figure.axes
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    # Letters without descenders do not fill their line
    assert all(above.y0 + 0.2 * above.height >= below.y1 for above, below in zip(boxes, boxes[1:], strict=False))
    assert not axes.get_window_extent().overlaps(bar.get_tightbbox())
    assert bar.get_ylabel() == "Attribution"


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"groups": ["a", "x"]}, ValueError, "not tested: 'x'"),
        ({"genes": ["g0", "zz"]}, ValueError, "not ranked: 'zz'"),
        ({"genes": []}, ValueError, "not ranked"),
        ({"n_genes": 0}, ValueError, "`n_genes` must be at least 1"),
        ({"n_cells": 0}, ValueError, "`n_cells` must be at least 1"),
        ({"scale": "row"}, ValueError, "'group', 'gene', 'auto', but is 'row'"),
        ({"layer": "missing"}, KeyError, "no 'missing', only 'attribution'"),
        ({"layer": "attribution", "genes": ["zz"]}, ValueError, "does not have these genes: 'zz'"),
    ],
)
def test_bad_input(adata, kwargs, error, match):
    with pytest.raises(error, match=match):
        scpi.pl.attribution_heatmap(adata, **kwargs)


def test_the_labels_of_the_cells(adata):
    few = adata[adata.obs["group"] != "b"].copy()
    with pytest.raises(ValueError, match="no cells of the group 'b', only of 'a', 'c', 'other'"):
        scpi.pl.attribution_heatmap(few, layer="attribution")
    adata.obs["found"] = adata.obs.pop("group")
    with pytest.raises(KeyError, match="no column 'group'"):
        scpi.pl.attribution_heatmap(adata, layer="attribution")
    del adata.uns["rank_genes_gradients"]["params"]["groupby"]
    with pytest.raises(KeyError, match="`groupby=`"):
        scpi.pl.attribution_heatmap(adata, layer="attribution")
    axes = scpi.pl.attribution_heatmap(
        adata, layer="attribution", groupby="found", genes="g0", n_cells=1, scale=None, show=False
    )
    np.testing.assert_allclose(drawn(axes), [[3, 0, 43]])
