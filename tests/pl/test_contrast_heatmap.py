from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex

import scpi
from scpi._ranking import read_ranking, write_ranking


def test_colours_are_fold_changes_and_dots_significance(compared):
    genes = ["G3", "G50", "G12"]
    axes = scpi.pl.contrast_heatmap(compared, genes=genes, groups=["T cells | B", "B cells | A"], show=False)
    frame = scpi.get.de_df(compared, key="limma").set_index(["gene", "group"])
    table = frame.unstack("group").loc[genes]
    expected = table["log2fc"][["T cells | B", "B cells | A"]].to_numpy()
    np.testing.assert_allclose(axes.images[0].get_array(), expected, rtol=1e-5)
    dots = {tuple(place) for place in axes.collections[0].get_offsets().astype(int).tolist()}
    y, x = np.nonzero(table["pval_adj"][["T cells | B", "B cells | A"]].to_numpy() <= 0.05)
    assert dots == set(zip(x.tolist(), y.tolist(), strict=True))
    assert [label.get_text() for label in axes.get_yticklabels()] == genes


def test_dots_and_grey_cells_are_explained(compared):
    axes = scpi.pl.contrast_heatmap(compared, genes=["G3", "G50"], pval_cutoff=0.01, show=False)
    assert axes.get_xlabel() == "Dot: adjusted p \N{LESS-THAN OR EQUAL TO} 0.01"
    ranking = read_ranking(compared, "limma")
    fold = ranking.logfoldchanges.copy()
    fold[0, list(ranking.genes).index("G3")] = np.nan
    write_ranking(compared, "limma", dataclasses.replace(ranking, logfoldchanges=fold, places=None))
    axes = scpi.pl.contrast_heatmap(compared, genes=["G3", "G50"], show=False)
    assert axes.get_xlabel().replace("\n", " ") == "Dot: adjusted p \N{LESS-THAN OR EQUAL TO} 0.05; grey: not tested"
    # The colour of what is missing is not that of no change
    assert to_hex(axes.get_facecolor()) == "#c8c8c8" and to_hex(axes.images[0].get_cmap()(0.5)) == "#f7f6f6"


def test_the_best_genes_of_every_group_are_drawn(compared):
    axes = scpi.pl.contrast_heatmap(compared, n_genes=8, show=False)
    shown = {label.get_text() for label in axes.get_yticklabels()}
    frame = scpi.get.de_df(compared, key="limma")
    best = frame.loc[frame.groupby("group", observed=True)["score"].apply(lambda score: score.abs().idxmax()), "gene"]
    assert set(best) <= shown
    assert len(shown) == 8


def test_a_ranking_of_cells(ranked):
    axes = scpi.pl.contrast_heatmap(ranked, key="rank_genes_groups", n_genes=5, show=False)
    assert axes.images[0].get_array().shape == (5, 3)


def test_unknown_names(compared):
    with pytest.raises(ValueError, match="There is no gene 'Z'"):
        scpi.pl.contrast_heatmap(compared, genes="Z")
    with pytest.raises(ValueError, match="There is no group 'Z'"):
        scpi.pl.contrast_heatmap(compared, groups="Z")
