from __future__ import annotations

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import scpi

NAMES = ["A", "B", "C", "D", "none 1", "none 2"]


@pytest.fixture
def adata():
    """A and C are alike, and B and D; A and D are opposite, which is not significant."""
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    results = pd.DataFrame({"perturbation": NAMES, "strength": [4.0, 3.0, 2.0, 1.0, 0.5, 0.0]})
    results["has_effect"] = results["strength"] >= 1
    similarity = np.array([0.0, 0.9, -0.6, 0.1, 0.8, 0.0])
    pval_adj = np.array([0.9, 0.01, 0.06, 0.9, 0.05, 0.9])
    pairs = dict.fromkeys(("similarity", "similarity_low", "similarity_high"), similarity)
    adata.uns["perturbation_similarity"] = {
        "results": results,
        "pairs": pairs | dict.fromkeys(("pval", "pval_adj"), pval_adj),
    }
    return adata


def squares(panel):
    """Value and side of the square of each pair, by its names."""
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert [label.get_text() for label in panel.get_xticklabels()] == names
    (drawn,) = panel.collections
    found = {}
    for path, value in zip(drawn.get_paths(), drawn.get_array(), strict=True):
        low, high = path.vertices.min(axis=0), path.vertices.max(axis=0)
        column, row = np.round((low + high) / 2).astype(int)
        found[names[row] + names[column]] = (value, round(float(high[0] - low[0]), 2))
    return names, found


def test_similar_perturbations_are_neighbours(adata):
    names, found = squares(scpi.pl.perturbation_similarity(adata, show=False))
    assert {frozenset(names[:2]), frozenset(names[2:])} == {frozenset("AC"), frozenset("BD")}
    assert len(found) == 12
    assert found["AC"] == found["CA"] == (0.9, 0.94)
    assert found["BD"] == (0.8, 0.94)
    assert found["AD"] == found["DA"] == (-0.6, 0.4)
    _, found = squares(scpi.pl.perturbation_similarity(adata, pval_cutoff=0.1, show=False))
    assert found["AD"] == (-0.6, 0.94)


def test_perturbations_without_an_effect_are_named_apart(adata):
    panel = scpi.pl.perturbation_similarity(adata, show=False)
    assert panel.get_xlabel().replace("\n", " ") == "No effect beyond noise: none 1, none 2"
    assert scpi.pl.perturbation_similarity(adata, perturbations=["A", "B"], show=False).get_xlabel() == ""


def test_the_leaves_of_the_tree_are_the_columns(adata):
    figure = scpi.pl.perturbation_similarity(adata, return_fig=True)
    panel, tree = figure.axes[:2]
    assert len(tree.lines) == 3
    assert tree.get_xlim() == panel.get_xlim() == (-0.5, 3.5)
    feet = {x for line in tree.lines for x, y in zip(*line.get_data(), strict=True) if y == 0}
    assert feet == {0.0, 1.0, 2.0, 3.0}
    heights = sorted(max(line.get_ydata()) for line in tree.lines)
    np.testing.assert_allclose(heights, [0.1, 0.2, np.mean([1, 1.6, 0.9, 1])])
    labels = [text.get_text() for text in tree.get_legend().get_texts()]
    assert labels == ["adjusted p \N{LESS-THAN OR EQUAL TO} 0.05", "not significant"]


def test_some_perturbations(adata):
    names, _ = squares(scpi.pl.perturbation_similarity(adata, n_perturbations=2, show=False))
    assert set(names) == {"A", "B"}
    names, found = squares(scpi.pl.perturbation_similarity(adata, perturbations=["D", "A", "none 1"], show=False))
    assert set(names) == {"A", "D"} and found["AD"] == (-0.6, 0.4)


def test_given_axes_hold_the_heatmap_and_the_tree(adata):
    _, ax = plt.subplots()
    assert scpi.pl.perturbation_similarity(adata, ax=ax) is ax
    figure = plt.figure()
    ax = figure.add_axes((0.2, 0.2, 0.6, 0.6))
    scpi.pl.perturbation_similarity(adata, ax=ax)
    tree = figure.axes[1]
    assert ax.get_position().y1 == pytest.approx(tree.get_position().y0)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"key": "x"}, KeyError, "no result of `scpi.tl.perturbation_similarity` under 'x'"),
        ({"perturbations": ["A", "Z"]}, ValueError, "no perturbation 'Z'"),
        (
            {"perturbations": ["A", "none 1"]},
            ValueError,
            "at least 2 perturbations with an effect, but there are 1, of the 2",
        ),
        ({"n_perturbations": 1}, ValueError, "at least 2 perturbations with an effect, but there are 1"),
    ],
)
def test_bad_input_is_explained(adata, kwargs, error, message):
    with pytest.raises(error, match=message):
        scpi.pl.perturbation_similarity(adata, **kwargs)
