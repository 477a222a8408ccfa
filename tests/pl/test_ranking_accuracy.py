from __future__ import annotations

import numpy as np
import pytest

import scpi

KEYS = {"test": "rank_genes_groups", "same": "limma", "another": "other"}


def boxes(panel):
    """Quartiles by the height of the box."""
    return {
        round(box.get_y() + box.get_height() / 2, 6): (box.get_x(), box.get_x() + box.get_width())
        for box in panel.patches
    }


@pytest.mark.parametrize("absolute", [None, True])
def test_the_numbers_are_those_of_the_getter(ranked, absolute):
    panels = scpi.pl.ranking_accuracy(ranked, KEYS, k=(10, None), absolute=absolute, show=False)
    table = scpi.get.ranking_accuracy(ranked, KEYS, k=(10, None), absolute=absolute)
    assert [panel.get_title() for panel in panels] == ["First 10 genes", "All truly changed genes"]
    names = [label.get_text() for label in panels[0].get_yticklabels()]
    medians = table.groupby("ranking")["accuracy"].median()
    assert set(names) == set(KEYS)
    assert medians[names].is_monotonic_decreasing
    for panel, k in zip(panels, ["10", "all"], strict=True):
        found = boxes(panel)
        for row, name in enumerate(names):
            values = table[(table["ranking"] == name) & (table["k"] == k)]["accuracy"]
            assert found[row] == pytest.approx(tuple(values.quantile([0.25, 0.75])))
        chance = table[table["k"] == k]["chance"].mean()
        assert any(line.get_xdata()[0] == pytest.approx(chance) for line in panel.lines)
        # The first is on top
        assert panel.get_ylim()[0] > panel.get_ylim()[1]


def test_points_medians_and_means(ranked):
    panel = scpi.pl.ranking_accuracy(ranked, "other", k=20, show=False)
    values = scpi.get.ranking_accuracy(ranked, "other", k=20)["accuracy"].to_numpy()
    drawn = [np.asarray(item.get_offsets())[:, 0] for item in panel.collections if len(item.get_offsets())]
    assert sorted(len(x) for x in drawn)[-1] == 3
    assert any(len(x) == 3 and np.allclose(np.sort(x), np.sort(values)) for x in drawn)
    assert any(len(x) == 1 and x[0] == pytest.approx(values.mean()) for x in drawn)
    lines = [path.vertices for item in panel.collections for path in item.get_paths() if len(path.vertices) == 2]
    assert any(np.allclose(line[:, 0], np.median(values)) for line in lines)
    assert any(np.allclose(line[0, 0], values.min()) for line in lines)
    assert any(np.allclose(line[1, 0], values.max()) for line in lines)
