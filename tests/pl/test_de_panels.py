from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from scpi.pl._de_panels import directions, draw_genes, draw_tests, genes_to_name, name_genes, within_axis
from scpi.pl._de_panels import tests_of_groups as read_tests

FRAME = pd.DataFrame(
    {
        "gene": list("uvwxyz"),
        "log2fc": [2.0, -3.0, 0.4, 1.0, -1.0, np.nan],
        "pval_adj": [0.01, 0.05, 0.001, 0.2, np.nan, 0.01],
        "log10_pval": [-3.0, -2.0, -5.0, -1.0, np.nan, -3.0],
    }
)


@pytest.mark.parametrize(
    ("cutoff", "least", "expected"),
    [(0.05, 0.0, [1, -1, 1, 0, 0, 0]), (0.05, 1.0, [1, -1, 0, 0, 0, 0]), (0.02, 0.5, [1, 0, 0, 0, 0, 0])],
)
def test_a_gene_goes_where_its_change_is_significant_and_large(cutoff, least, expected):
    assert directions(FRAME[:5], cutoff, least).tolist() == expected[:5]


def test_what_lies_beyond_the_limit_is_put_just_outside():
    fold, beyond = within_axis(np.array([1.0, -5.0, 9.0, -20.0, np.inf]), 6.0)
    assert beyond.tolist() == [False, False, True, True, True]
    np.testing.assert_allclose(fold, [1.0, -5.0, 5.4, -5.4, 5.4])
    np.testing.assert_allclose(within_axis(np.array([0.1, 30.0]), 6.0)[0], [0.1, 1.08])


def test_points_have_the_colour_of_their_direction():
    _, ax = plt.subplots()
    x, y = np.arange(4.0), np.ones(4)
    draw_genes(ax, x, y, np.array([0, -1, 1, 1]), beyond=np.array([False, False, False, True]))
    drawn = {tuple(points.get_offsets()[:, 0].tolist()) for points in ax.collections}
    assert drawn == {(0.0,), (1.0,), (2.0,), (3.0,), ()}
    colours = {
        points.get_offsets()[0, 0]: tuple(points.get_facecolor()[0])
        for points in ax.collections
        if len(points.get_offsets())
    }
    assert colours[2.0] == colours[3.0]
    assert len(set(colours.values())) == 3


@pytest.mark.parametrize(
    ("genes", "n", "expected"), [(None, 2, ["u", "w"]), (None, 1, ["w"]), (["z", "v"], 1, ["v", "z"])]
)
def test_named_genes_are_the_given_ones_or_those_of_the_smallest_p_values(genes, n, expected):
    _, ax = plt.subplots()
    direction = np.array([1, -1, 1, 0, 0, 0])
    x = np.arange(6.0)
    name_genes(ax, x, x, FRAME, direction, genes=genes, n_genes=n)
    assert sorted(text.get_text() for text in ax.texts) == expected


def test_the_groups_with_the_most_changed_genes_are_drawn(ranked):
    found = read_tests(ranked, "rank_genes_groups", None, n_panels=2, mod=None)
    assert len(found) == 2
    everything = read_tests(ranked, "rank_genes_groups", None, n_panels=99, mod=None)
    changed = {group: int((frame["pval_adj"] <= 0.05).sum()) for group, frame in everything.items()}
    # The order is that of the ranking
    assert list(found) == sorted(sorted(changed, key=lambda group: -changed[group])[:2]) == ["A", "B"]
    (named,) = read_tests(ranked, "rank_genes_groups", list(changed)[-1], n_panels=1, mod=None)
    assert named == list(changed)[-1]


def test_genes_to_name_are_in_a_panel(ranked):
    tests = read_tests(ranked, "rank_genes_groups", None, n_panels=1, mod=None)
    gene = next(iter(tests.values()))["gene"].iloc[0]
    assert genes_to_name(ranked, tests, gene, key="k", mod=None) == [gene]
    assert genes_to_name(ranked, tests, None, key="k", mod=None) is None
    with pytest.raises(ValueError, match="These genes are not measured: 'nope'"):
        genes_to_name(ranked, tests, [gene, "nope"], key="k", mod=None)
    few = {group: frame[frame["gene"] != gene] for group, frame in tests.items()}
    with pytest.raises(ValueError, match="not tested here"):
        genes_to_name(ranked, few, [gene], key="k", mod=None)


def test_each_panel_has_the_counts_of_its_group_and_the_outer_ones_labels():
    _, panels = plt.subplots(1, 2)
    frames = {"A": FRAME[:5], "B": FRAME[:2]}
    points = [(np.arange(n) * 1.0, np.arange(n) * 1.0, np.zeros(n, dtype=bool)) for n in (5, 2)]
    limits = {"pval_cutoff": 0.05, "log2fc_min": 1.0, "genes": ["w"], "n_genes": 0}
    draw_tests(panels, frames, points, xlabel="x", ylabel="y", ax=None, part=(2, 3, "groups"), **limits)
    assert panels[0].get_figure().get_supxlabel() == "2 of 3 groups"
    assert [panel.get_title() for panel in panels] == ["A\n1 up, 1 down", "B\n1 up, 1 down"]
    assert [panel.get_xlabel() for panel in panels] == ["x", "x"]
    assert [panel.get_ylabel() for panel in panels] == ["y", ""]
    assert [[text.get_text() for text in panel.texts] for panel in panels] == [["w"], []]
