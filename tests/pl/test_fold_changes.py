from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

import scpi
from scpi.pl._figure import BLUE, VERMILLION


def test_bars_and_intervals(compared):
    genes = ["G3", "G60", "G25"]
    axes = scpi.pl.fold_changes(compared, groups="T cells | B", genes=genes, show=False)
    frame = scpi.get.de_df(compared, key="limma", group="T cells | B").set_index("gene").loc[genes]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], frame["log2fc"], rtol=1e-6)
    ends = np.array([segment[:, 0] for segment in axes.collections[0].get_segments()])
    np.testing.assert_allclose(ends, frame[["ci_low", "ci_high"]], rtol=1e-6)
    for bar, row in zip(axes.patches, frame.itertuples(), strict=True):
        expected = (VERMILLION if row.log2fc > 0 else BLUE) if row.pval_adj <= 0.05 else "#CCCCCC"
        assert bar.get_facecolor() == to_rgba(expected)


def test_the_most_significant_genes_of_each_comparison(compared):
    panels = scpi.pl.fold_changes(compared, n_genes=3, n_panels=2, show=False)
    frame = scpi.get.de_df(compared, key="limma")
    assert [panel.get_title() for panel in panels] == ["B cells | A", "B cells | B"]
    for panel in panels:
        part = frame[frame["group"] == panel.get_title()].sort_values("log10_pval").head(3)
        shown = [label.get_text() for label in panel.get_yticklabels()]
        assert shown == part.sort_values("log2fc", ascending=False)["gene"].tolist()


def test_what_is_not_there(compared, ranked):
    with pytest.raises(ValueError, match="not tested in 'T cells | A': 'Z'"):
        scpi.pl.fold_changes(compared, groups="T cells | A", genes=["G3", "Z"])
    with pytest.raises(ValueError, match=r"has no intervals of fold changes: `scpi.de.limma` gives them"):
        scpi.pl.fold_changes(ranked, key="rank_genes_groups")
