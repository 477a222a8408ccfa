from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_each_donor_is_a_line(compared):
    axes = scpi.pl.paired_expression(compared, genes="G3", splits="T cells", show=False)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ctrl", "A", "B"]
    assert axes.get_title() == "G3\nT cells"
    frame = scpi.get.sample_expression(compared, "G3").query("split == 'T cells'")
    lines = [line.get_ydata() for line in axes.lines]
    assert len(lines) == 6
    wide = frame.pivot(index="donor", columns="group", values="log2_cpm")[["ctrl", "A", "B"]]
    np.testing.assert_allclose(lines, wide.to_numpy())
    bars = [segment[0, 1] for bar in axes.collections[1:] for segment in bar.get_segments()]
    np.testing.assert_allclose(bars, wide.mean())


def test_the_strongest_genes_are_drawn(compared):
    panels = scpi.pl.paired_expression(compared, n_genes=2, show=False)
    assert len(panels) == 4
    best = scpi.get.de_df(compared, key="limma").sort_values("log10_pval")["gene"].drop_duplicates().head(2)
    assert {panel.get_title().partition("\n")[0] for panel in panels} == set(best)


def test_what_is_not_there(compared):
    with pytest.raises(ValueError, match="not tested in 'limma': 'Z'"):
        scpi.pl.paired_expression(compared, genes="Z")
    with pytest.raises(ValueError, match="There is no split 'Z', only 'B cells', 'T cells'"):
        scpi.pl.paired_expression(compared, splits="Z")
