from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_a_panel_shows_the_genes_and_the_trend_of_a_model(ranked):
    panels = scpi.pl.voom(ranked, show=False)
    assert [panel.get_title() for panel in panels] == ["B cells (300 genes)", "T cells (300 genes)"]
    trend = ranked.uns["limma"]["voom"]
    for panel, name in zip(panels, ["B cells", "T cells"], strict=True):
        one = trend[trend["split"] == name].sort_values("mean_log_count")
        np.testing.assert_allclose(panel.collections[0].get_offsets(), one[["mean_log_count", "sqrt_sd"]])
        np.testing.assert_allclose(panel.lines[0].get_xydata(), one[["mean_log_count", "line"]])


def test_models_can_be_chosen(ranked):
    panel = scpi.pl.voom(ranked, splits="T cells", show=False)
    assert panel.get_title().startswith("T cells")
    with pytest.raises(ValueError, match="no model 'NK', only 'B cells', 'T cells'"):
        scpi.pl.voom(ranked, splits=["NK"])
    with pytest.raises(KeyError, match=r"Call `scpi.de.limma` first"):
        scpi.pl.voom(ranked, key="other")
