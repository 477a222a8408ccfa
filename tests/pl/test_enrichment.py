from __future__ import annotations

import numpy as np
import pytest

import scpi


def dots(axes):
    """Places, areas, and whether the edge is black."""
    points = axes.collections[0]
    return points.get_offsets(), points.get_sizes(), points.get_edgecolors()[:, 0] == 0


def test_dots_are_tests(compared):
    axes = scpi.pl.enrichment(compared, sets=["HALLMARK_SET_0", "HALLMARK_SET_11"], show=False)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["SET 0", "SET 11"]
    groups = [label.get_text() for label in axes.get_xticklabels()]
    assert groups == ["B cells | A", "B cells | B", "T cells | A", "T cells | B"]
    places, areas, black = dots(axes)
    frame = scpi.get.enrichment(compared).set_index(["group", "set"])
    for (x, y), area, edge in zip(places, areas, black, strict=True):
        pval = frame.loc[(groups[int(x)], f"HALLMARK_SET_{[0, 11][int(y)]}"), "pval_adj"]
        assert area == pytest.approx(4.0 + 9.0 * min(-np.log10(pval), 10.0))
        assert edge == (pval <= 0.05)


def test_the_best_sets_of_each_group_are_drawn(compared):
    axes = scpi.pl.enrichment(compared, n_sets=3, groups=["T cells | B", "T cells | A"], show=False)
    shown = {label.get_text() for label in axes.get_yticklabels()}
    best = scpi.get.enrichment(compared, group=["T cells | A", "T cells | B"], top_n=1)["set"]
    assert {name.removeprefix("HALLMARK_").replace("_", " ") for name in best} <= shown
    assert len(shown) == 3
    assert [label.get_text() for label in axes.get_xticklabels()] == ["T cells | B", "T cells | A"]


def test_unknown_names(compared):
    with pytest.raises(ValueError, match="There is no gene set 'Z'"):
        scpi.pl.enrichment(compared, sets="Z")
    with pytest.raises(ValueError, match="not tested: 'Z'"):
        scpi.pl.enrichment(compared, groups="Z")
