from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

import scpi


def test_each_donor_is_a_line(compared):
    table = scpi.de.sample_expression(compared, "G3").query("split == 'T cells'")
    axes = scpi.pl.paired_expression(table, show=False)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ctrl", "A", "B"]
    assert axes.get_title() == "G3\nT cells"
    lines = [line.get_ydata() for line in axes.lines]
    assert len(lines) == 6
    wide = table.pivot(index="donor", columns="group", values="log2_cpm")[["ctrl", "A", "B"]]
    np.testing.assert_allclose(lines, wide.to_numpy())
    bars = [segment[0, 1] for bar in axes.collections[1:] for segment in bar.get_segments()]
    np.testing.assert_allclose(bars, wide.mean())


def test_panels_are_genes_and_splits(compared):
    table = scpi.de.sample_expression(compared, ["G3", "G12"])
    panels = scpi.pl.paired_expression(table, show=False)
    assert [panel.get_title().replace("\n", " ") for panel in panels] == [
        f"{gene} {split} cells" for gene in ("G3", "G12") for split in "BT"
    ]
    assert isinstance(scpi.pl.paired_expression(table, return_fig=True), plt.Figure)


def test_what_it_does_not_take(compared):
    table = scpi.de.sample_expression(compared, ["G3", "G12"])
    with pytest.raises(KeyError, match="`table` has no column 'donor'"):
        scpi.pl.paired_expression(table.drop(columns="donor"))
    with pytest.raises(ValueError, match="`ax` can hold one panel"):
        scpi.pl.paired_expression(table, ax=plt.figure().add_subplot())
