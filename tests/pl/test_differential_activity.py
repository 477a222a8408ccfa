from __future__ import annotations

import numpy as np
import pytest

import scpi


def test_a_panel_shows_the_top_sets_of_a_perturbation(tested):
    adata = tested()
    panels = scpi.pl.differential_activity(adata, groups=["B", "A"], n_sets=4, show=False)
    assert [panel.get_title() for panel in panels] == ["B", "A"]
    for panel, group in zip(panels, "BA", strict=True):
        top = scpi.get.differential_activity(adata, group=group, top_n=4)
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert labels == [name.removeprefix("HALLMARK_").replace("_", " ") for name in top["set"]]
        dots = next(item for item in panel.collections if len(item.get_offsets()) == 4)
        np.testing.assert_allclose(dots.get_offsets()[:, 0], top["effect"])
        # The best on top
        assert panel.get_ylim()[0] > panel.get_ylim()[1]
        filled = (dots.get_facecolor() < 1).any(axis=1)
        np.testing.assert_array_equal(filled, top["pval_adj"] <= 0.05)


def test_one_scale_of_colours_for_all_panels(tested):
    adata = tested()
    figure = scpi.pl.differential_activity(adata, return_fig=True)
    bar = figure.axes[-1]
    assert bar.get_ylim()[1] == pytest.approx(-scpi.get.differential_activity(adata)["log10_pval"].min())


def test_the_most_changed_are_drawn(tested):
    adata = tested()
    adata.uns["differential_activity"]["summary"]["n_significant"] = [1, 5, 3]
    panels = scpi.pl.differential_activity(adata, n_groups=2, show=False)
    assert [panel.get_title() for panel in panels] == ["B", "C"]
    with pytest.raises(ValueError, match="'Z'"):
        scpi.pl.differential_activity(adata, groups=["Z"])
