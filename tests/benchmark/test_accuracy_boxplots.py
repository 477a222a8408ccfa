from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scpi.benchmark import accuracy_boxplots


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    level = {"good": 0.8, "a method with a rather long name": 0.5, "bad": 0.2}
    rows = [
        {"dataset": d, "network": network, "k": k, "method": method, "accuracy": level[method] + rng.normal(0, 0.05)}
        for d in range(12)
        for network in ("first", "second")
        for k in (30, 100, "all")
        for method in ("bad", "good", "a method with a rather long name")
    ]
    return pd.DataFrame(rows)


def boxes(panel):
    return {
        round(box.get_y() + box.get_height() / 2, 6): (box.get_x(), box.get_x() + box.get_width())
        for box in panel.patches
    }


def labels(panel):
    return [label.get_text() for label in panel.get_yticklabels()]


def test_quartiles_by_panel_and_colour(table):
    panels = accuracy_boxplots(table, column="k", hue="network", label="Accuracy", show=False)
    assert [panel.get_title() for panel in panels] == ["k = 30", "k = 100", "k = all"]
    # What is longer than the room is cut
    assert labels(panels[0])[::2] == ["good", "bad"] and labels(panels[0])[1].startswith("a method with a")
    names = ["good", "a method with a rather long name", "bad"]
    assert panels[0].get_xlabel() == "Accuracy"
    for panel, k in zip(panels, (30, 100, "all"), strict=True):
        found = boxes(panel)
        assert len(found) == 6
        for row, name in enumerate(names):
            for offset, network in ((-0.2, "first"), (0.2, "second")):
                values = table[(table["k"] == k) & (table["method"] == name) & (table["network"] == network)][
                    "accuracy"
                ]
                assert found[row + offset] == pytest.approx(tuple(values.quantile([0.25, 0.75])))
    assert [text.get_text() for text in panels[0].get_figure().legends[0].get_texts()] == ["first", "second"]


def test_rows_and_columns(table):
    panels = accuracy_boxplots(table, column="k", row="network", show=False)
    assert len(panels) == 6
    values = table.query("k == 100 and network == 'second' and method == 'bad'")["accuracy"]
    assert boxes(panels[4])[2] == pytest.approx(tuple(values.quantile([0.25, 0.75])))
    assert panels[3].get_ylabel().replace("\n", " ") == "network = second"
    assert [panel.get_title() for panel in panels[3:]] == [""] * 3


def test_chosen_methods_in_their_order(table):
    (panel,) = accuracy_boxplots(table, order=["bad", "good"], show=False)
    assert labels(panel) == ["bad", "good"]
    assert len(boxes(panel)) == 2
    with pytest.raises(ValueError, match="no values of 'none'"):
        accuracy_boxplots(table, order=["bad", "none"])


def test_values_of_others_are_marked(table):
    published = pd.DataFrame(
        {"method": ["good", "good", "unknown"], "k": ["30", "all", "30"], "accuracy": [0.61, 0.63, 0.9]}
    )
    before = pd.DataFrame({"method": ["bad"], "network": ["second"], "accuracy": [0.33]})
    panels = accuracy_boxplots(
        table, column="k", hue="network", marks={"published": published, "before": before}, show=False
    )

    def marked(panel, label):
        (found,) = (item for item in panel.collections if item.get_label() == label)
        return [path.vertices.tolist() for path in found.get_paths()]

    assert marked(panels[0], "published") == [[[0.61, -0.4], [0.61, 0.4]]]
    assert marked(panels[1], "published") == []
    assert marked(panels[2], "published") == [[[0.63, -0.4], [0.63, 0.4]]]
    for panel in panels:
        (found,) = (item for item in panel.collections if item.get_label() == "before")
        np.testing.assert_allclose(found.get_offsets(), [[0.33, 2.2]])
    texts = [text.get_text() for text in panels[0].get_figure().legends[0].get_texts()]
    assert texts == ["first", "second", "published", "before"]


def test_values_that_are_missing(table):
    table.loc[table["method"] == "bad", "accuracy"] = np.nan
    (panel,) = accuracy_boxplots(table, show=False)
    assert labels(panel) == ["good", "a method with a rather long name"]
    partly = table.copy()
    partly.loc[(partly["k"] == 30) & (partly["method"] == "good"), "accuracy"] = np.nan
    panels = accuracy_boxplots(partly, column="k", show=False)
    assert [len(boxes(panel)) for panel in panels] == [1, 2, 2]
    assert len(labels(panels[0])) == 2 and labels(panels[0])[0] == "good"
    with pytest.raises(ValueError, match="The table has no values"):
        accuracy_boxplots(table.assign(accuracy=np.nan))


def test_other_columns(table):
    renamed = table.rename(columns={"method": "ranking", "accuracy": "agreement"})
    renamed["ranking"] = renamed["ranking"].astype("category")
    (panel,) = accuracy_boxplots(renamed, value="agreement", by="ranking", show=False)
    assert panel.get_xlabel() == "agreement"
    with pytest.raises(KeyError, match="no column 'method', 'accuracy', only 'dataset', 'network', 'k'"):
        accuracy_boxplots(renamed)


def test_colours_that_can_be_told_apart(table):
    with pytest.raises(ValueError, match="`hue` has 12 values, but there are only 6 distinguishable colours"):
        accuracy_boxplots(table, hue="dataset")


def test_what_is_returned(table, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(True))
    before = dict(plt.rcParams)
    figure = accuracy_boxplots(table, column="k", hue="network", return_fig=True)
    assert accuracy_boxplots(table) is None
    assert shown == [True]
    assert dict(plt.rcParams) == before
    assert figure.get_figwidth() <= 7.09
    assert min(text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text()) >= 7
    figure.savefig(tmp_path / "figure.svg")
    assert accuracy_boxplots(table, figsize=(4, 3), return_fig=True).get_size_inches().tolist() == [4, 3]
    # The given table is as it was
    assert set(table["k"]) == {30, 100, "all"}
