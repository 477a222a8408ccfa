from __future__ import annotations

import numpy as np
import pytest

import scpi


def set_pvals(adata, pvals):
    stored = adata.uns["rank_genes_groups"]
    stored["pvals"]["A"], stored["log10_pvals"]["A"] = pvals, np.log10(pvals)


def test_bars_and_lines_of_a_known_mixture(ranked):
    """200 genes without a difference, spread evenly, and 100 with one."""
    set_pvals(ranked, np.concatenate([(np.arange(200) + 0.5) / 200, np.full(100, 1e-5)]))
    panel = scpi.pl.pvalue_histogram(ranked, groups="A", n_bins=10, show=False)
    assert [bar.get_height() for bar in panel.patches] == [120] + [20] * 9
    dashed, solid = (line.get_ydata()[0] for line in panel.lines)
    assert dashed == 30
    assert solid == pytest.approx(20)
    assert panel.texts[0].get_text() == r"$\pi_0$ = 0.67"
    assert panel.get_title() == "A\n300 genes"


def test_the_share_of_nulls_is_at_most_one(ranked):
    set_pvals(ranked, np.full(300, 0.9))
    panel = scpi.pl.pvalue_histogram(ranked, groups="A", show=False)
    assert panel.texts[0].get_text() == r"$\pi_0$ = 1.00"


def test_genes_that_were_not_tested_do_not_count(ranked):
    for part in ("scores", "pvals", "log10_pvals"):
        ranked.uns["rank_genes_groups"][part]["A"][-50:] = np.nan
    panel = scpi.pl.pvalue_histogram(ranked, groups="A", show=False)
    assert sum(bar.get_height() for bar in panel.patches) == 250
    assert len(scpi.pl.pvalue_histogram(ranked, show=False)) == 3


def test_several_rankings_are_outlines_on_one_scale(ranked):
    """The first as above, and a second of half as many genes, all of them without a difference."""
    set_pvals(ranked, np.concatenate([(np.arange(200) + 0.5) / 200, np.full(100, 1e-5)]))
    for part in ("pvals", "log10_pvals"):
        ranked.uns["other"][part]["A"] = np.nan
    ranked.uns["other"]["pvals"]["A"][:150] = (np.arange(150) + 0.5) / 150
    ranked.uns["other"]["log10_pvals"]["A"][:150] = np.log10((np.arange(150) + 0.5) / 150)
    names = {"measured": "rank_genes_groups", "generated": "other"}
    panel = scpi.pl.pvalue_histogram(ranked, key=names, groups="A", n_bins=10, show=False)
    first, second = (stairs.get_data().values for stairs in panel.patches)
    np.testing.assert_allclose(first, [4.0] + [20 / 30] * 9)
    np.testing.assert_allclose(second, 1.0)
    assert panel.lines[0].get_ydata()[0] == 1.0
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [
        r"measured, $\pi_0$ = 0.67",
        r"generated, $\pi_0$ = 1.00",
    ]
    assert panel.get_title() == "A\n300 / 150 genes"
    assert panel.get_ylabel() == "Genes relative to uniform"
    assert len({tuple(stairs.get_edgecolor()) for stairs in panel.patches}) == 2


def test_groups_are_those_of_the_first_ranking(ranked):
    panels = scpi.pl.pvalue_histogram(ranked, key=["rank_genes_groups", "other"], n_panels=2, show=False)
    alone = scpi.pl.pvalue_histogram(ranked, n_panels=2, show=False)
    assert [panel.get_title()[0] for panel in panels] == [panel.get_title()[0] for panel in alone]


def test_there_are_one_to_six_rankings(ranked):
    with pytest.raises(ValueError, match="`key` must name 1 to 6 rankings, but names 0"):
        scpi.pl.pvalue_histogram(ranked, key=[])
    with pytest.raises(KeyError, match="mine"):
        scpi.pl.pvalue_histogram(ranked, key=["rank_genes_groups", "mine"])
