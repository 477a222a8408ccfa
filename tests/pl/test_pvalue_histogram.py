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
