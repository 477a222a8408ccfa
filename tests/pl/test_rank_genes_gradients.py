from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scanpy as sc
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

import scpi
from scpi._ranking import read_ranking, write_ranking

VERMILLION, BLUE = "#d55e00", "#0072b2"


def points(panel):
    return np.concatenate([np.asarray(item.get_offsets()) for item in panel.collections])


def names(panel):
    """Names of the genes with the place and the colour of their points."""
    return {text.get_text(): (*text.xy, to_hex(text.get_color())) for text in panel.texts}


def change(adata, key, **parts):
    # Genes are in the order of what is changed
    write_ranking(adata, key, dataclasses.replace(read_ranking(adata, key), **({"places": None} | parts)))


@pytest.fixture
def blood():
    adata = sc.datasets.pbmc68k_reduced()
    sc.tl.rank_genes_groups(adata, "bulk_labels", method="wilcoxon")
    return adata


def test_the_first_genes_at_their_scores(ranked):
    panels = scpi.pl.rank_genes_gradients(ranked, n_genes=12, show=False)
    assert [panel.get_title() for panel in panels] == ["A vs. rest", "B vs. rest", "C vs. rest"]
    for panel, group in zip(panels, "ABC", strict=True):
        frame = scpi.get.de_df(ranked, key="rank_genes_gradients", group=group, top_n=12)
        found = names(panel)
        assert sorted(found, key=lambda name: found[name][0]) == frame["gene"].tolist()
        for rank, (gene, score, fold) in enumerate(zip(frame["gene"], frame["score"], frame["log2fc"], strict=True)):
            assert found[gene] == (rank, pytest.approx(score), VERMILLION if fold > 0 else BLUE)
        np.testing.assert_allclose(np.sort(points(panel)[:, 1]), np.sort(frame["score"]))
        ticks = dict(zip(panel.get_xticks(), [label.get_text() for label in panel.get_xticklabels()], strict=True))
        assert ticks == {0: "1", 4: "5", 9: "10"}


def test_sizes_of_a_ranking_in_either_direction(ranked):
    change(ranked, "rank_genes_gradients", params={"rankby_abs": True, "reference": "C"})
    panel = scpi.pl.rank_genes_gradients(ranked, groups="B", n_genes=15, show=False)
    frame = scpi.get.de_df(ranked, key="rank_genes_gradients", group="B", top_n=15)
    assert (frame["score"] < 0).any()
    found = names(panel)
    for rank, (gene, score) in enumerate(zip(frame["gene"], frame["score"], strict=True)):
        assert found[gene] == (rank, pytest.approx(abs(score)), VERMILLION if score > 0 else BLUE)
    assert panel.get_title() == "B vs. C"
    assert panel.get_ylabel() == "|Score|"
    legend = panel.get_figure().legends[0]
    assert [text.get_text() for text in legend.get_texts()][:2] == ["higher in the group", "lower in the group"]


def test_genes_that_are_not_significant_have_empty_dots(ranked):
    frame = scpi.get.de_df(ranked, key="rank_genes_gradients", group="A", top_n=10)
    cutoff = float(frame["pval_adj"].median())
    panel = scpi.pl.rank_genes_gradients(ranked, groups="A", n_genes=10, pval_cutoff=cutoff, show=False)
    white = [item for item in panel.collections if to_hex(item.get_facecolor()[0]) == "#ffffff"]
    empty = [rank for item in white for rank in item.get_offsets()[:, 0]]
    assert sorted(empty) == np.flatnonzero(frame["pval_adj"] > cutoff).tolist()
    assert 0 < len(empty) < 10
    labels = [text.get_text() for text in panel.get_figure().legends[0].get_texts()]
    assert labels[-2:] == [f"adjusted p \N{LESS-THAN OR EQUAL TO} {cutoff:g}", f"adjusted p > {cutoff:g}"]


def test_negative_scores_stay_below_zero(ranked):
    ranking = read_ranking(ranked, "rank_genes_gradients")
    change(ranked, "rank_genes_gradients", scores=ranking.scores - np.quantile(ranking.scores, 0.99))
    panel = scpi.pl.rank_genes_gradients(ranked, groups="A", show=False)
    assert points(panel)[:, 1].min() < 0
    assert panel.get_ylim()[0] < points(panel)[:, 1].min()


def test_without_fold_changes_there_is_no_colour(ranked):
    nothing = np.full((3, 300), np.nan)
    change(ranked, "rank_genes_gradients", logfoldchanges=nothing, pvals_adj=nothing)
    figure = scpi.pl.rank_genes_gradients(ranked, return_fig=True)
    assert {colour for panel in figure.axes for *_, colour in names(panel).values()} == {"#000000"}
    assert figure.legends == []


@pytest.mark.parametrize(
    ("sharey", "n_genes"), [(False, 20), *(pytest.param(True, n, marks=pytest.mark.slow) for n in (3, 20, 35))]
)
def test_names_overlap_neither_each_other_nor_the_frame(blood, sharey, n_genes):
    figure = scpi.pl.rank_genes_gradients(
        blood, key="rank_genes_groups", sharey=sharey, n_genes=n_genes, return_fig=True
    )
    figure.draw_without_rendering()
    for panel in figure.axes:
        boxes = [text.get_window_extent() for text in panel.texts]
        # Thirty-five names in ten panels do not fit on a page
        assert len(boxes) == n_genes or 20 <= len(boxes) < n_genes
        frame = panel.get_window_extent()
        assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
        # No point is cut in half
        assert panel.transData.transform(points(panel))[:, 1].min() > frame.y0 + 2
        # The letters themselves are narrower than the line that they stand in
        narrow = [(box.x0 + 0.15 * box.width, box.x1 - 0.15 * box.width) for box in boxes]
        assert all(left[1] < right[0] for left, right in zip(sorted(narrow), sorted(narrow)[1:], strict=False))
        title = panel.title.get_window_extent()
        assert title.x0 >= 0
        assert title.x1 <= figure.bbox.x1
        others = [other.title.get_window_extent() for other in figure.axes if other is not panel]
        assert not any(title.overlaps(other) for other in others)
    limits = {panel.get_ylim() for panel in figure.axes}
    assert len(limits) == (1 if sharey else 10)


def test_many_groups_fit_on_a_page_and_fill_it(ranked):
    ranking = read_ranking(ranked, "rank_genes_gradients")
    # One group has far larger scores
    scores = np.tile(ranking.scores[:1], (19, 1)) * np.where(np.arange(19) == 3, 20.0, 1.0)[:, None]
    of_groups = {
        name: np.tile(getattr(ranking, name)[:1], (19, 1)) for name in ("logfoldchanges", "log10_pvals", "pvals_adj")
    }
    groups = np.array([f"group {i}" for i in range(19)], dtype=object)
    change(ranked, "rank_genes_gradients", groups=groups, scores=scores, **of_groups)
    figure = scpi.pl.rank_genes_gradients(ranked, return_fig=True)
    figure.draw_without_rendering()
    assert len(figure.axes) == 19
    assert figure.get_figheight() <= 9.0
    for panel in figure.axes:
        assert len(panel.texts) >= 10
        frame = panel.get_window_extent()
        top = max(text.get_window_extent().y1 for text in panel.texts)
        assert top > frame.y0 + 0.9 * frame.height
        lowest = panel.transData.transform(points(panel))[:, 1].min()
        assert lowest < frame.y0 + 0.15 * frame.height
    # More groups than fit are left out unless they are named
    assert len(scpi.pl.rank_genes_gradients(ranked, n_panels=4, show=False)) == 4
    assert len(scpi.pl.rank_genes_gradients(ranked, groups=groups[:6], n_panels=4, show=False)) == 6


def test_the_axis_says_what_the_scores_are(ranked):
    for method, label in {
        "sparse_decoder": r"Shrunken $\log_2$ fold change",
        "gradient": "Margin per unit of log expression",
    }.items():
        change(ranked, "rank_genes_gradients", params={"method": method})
        assert scpi.pl.rank_genes_gradients(ranked, groups="A", show=False).get_ylabel() == label


def test_groups_columns_and_given_axes(blood):
    chosen = ["Dendritic", "CD34+", "CD19+ B"]
    panels = scpi.pl.rank_genes_gradients(blood, key="rank_genes_groups", groups=chosen, ncols=1, show=False)
    assert [panel.get_title() for panel in panels] == [f"{name} vs. rest" for name in chosen]
    assert len({panel.get_position().x0 for panel in panels}) == 1
    _, ax = plt.subplots()
    scpi.pl.rank_genes_gradients(blood, key="rank_genes_groups", groups="CD34+", ax=ax)
    assert ax.get_legend() is not None
    with pytest.raises(ValueError, match="These groups were not tested: 'x'"):
        scpi.pl.rank_genes_gradients(blood, key="rank_genes_groups", groups="x")
    for number in ("n_genes", "n_panels", "ncols"):
        with pytest.raises(ValueError, match=f"`{number}` must be at least 1, but is 0"):
            scpi.pl.rank_genes_gradients(blood, key="rank_genes_groups", **{number: 0})


def test_fewer_genes_than_are_asked_for(blood):
    sc.tl.rank_genes_groups(blood, "bulk_labels", method="t-test", n_genes=4)
    panel = scpi.pl.rank_genes_gradients(blood, key="rank_genes_groups", groups="CD34+", show=False)
    assert len(panel.texts) == 4
