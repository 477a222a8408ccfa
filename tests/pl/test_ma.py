from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_fold_changes_against_expression(ranked):
    panels = scpi.pl.ma(ranked, groups=["A", "B"], show=False)
    for panel, group in zip(panels, "AB", strict=True):
        frame = scpi.get.de_df(ranked, key="limma", group=group)
        drawn = np.concatenate([np.asarray(item.get_offsets()) for item in panel.collections[:6]])
        expected = frame[["ave_expr", "log2fc"]].to_numpy()
        np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
        changed = frame[frame["pval_adj"] <= 0.05]
        counts = (changed["log2fc"] > 0).sum(), (changed["log2fc"] < 0).sum()
        assert panel.get_title() == f"{group}\n{counts[0]} up, {counts[1]} down"


def test_expression_may_stand_with_the_genes(ranked):
    panel = scpi.pl.ma(ranked, key="rank_genes_groups", expression="mean", groups="A", show=False)
    drawn = np.concatenate([np.asarray(item.get_offsets()) for item in panel.collections[:6]])
    frame = scpi.get.de_df(ranked, group="A")
    expected = np.column_stack([frame["gene"].str.removeprefix("G").astype(float), frame["log2fc"]])
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    with pytest.raises(KeyError, match="'mean'"):
        scpi.pl.ma(ranked, key="rank_genes_groups")
