from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._ranking import Ranking, write_ranking
from scpi.pl._figure import BLUE, VERMILLION

pytestmark = pytest.mark.smoke("matplotlib")


def points(panel, colour=None, marker=None):
    """Positions of the points of a panel, of one colour or of the triangles."""
    from matplotlib.colors import to_rgb

    found = []
    for item in panel.collections:
        filled = len(item.get_facecolor()) > 0
        is_triangle = len(item.get_paths()[0].vertices) < 6 if item.get_paths() else False
        if not filled or (colour and tuple(item.get_facecolor()[0][:3]) != to_rgb(colour)):
            continue
        if marker is None or (marker == "^") == is_triangle:
            found.append(np.asarray(item.get_offsets()))
    return np.concatenate(found) if found else np.zeros((0, 2))


def test_each_gene_is_where_its_test_puts_it(ranked):
    panels = scpi.pl.volcano(ranked, groups=["C", "A"], show=False)
    assert [panel.get_title().splitlines()[0] for panel in panels] == ["C", "A"]
    for panel, group in zip(panels, "CA", strict=True):
        frame = scpi.get.de_df(ranked, group=group)
        passed = (frame["pval_adj"] <= 0.05) & (frame["log2fc"].abs() >= 1)
        for colour, sign in ((VERMILLION, 1), (BLUE, -1)):
            rows = frame[passed & (np.sign(frame["log2fc"]) == sign)]
            expected = np.column_stack([rows["log2fc"], -rows["log10_pval"]])
            drawn = points(panel, colour)
            assert len(drawn) == len(expected) > 0
            order = np.lexsort(drawn.T), np.lexsort(expected.T)
            np.testing.assert_allclose(drawn[order[0]], expected[order[1]])
        counts = [(passed & (frame["log2fc"] * sign > 0)).sum() for sign in (1, -1)]
        assert panel.get_title().splitlines()[1] == f"{counts[0]} up, {counts[1]} down"
        assert len(points(panel)) == 300
        # The lines are where the cut-offs are
        across = [line.get_xdata()[0] for line in panel.lines if len(set(line.get_xdata())) == 1]
        assert across == [-1, 1]
        threshold = -frame.loc[frame["pval_adj"] <= 0.05, "log10_pval"].max()
        assert threshold in [line.get_ydata()[0] for line in panel.lines]


def test_the_groups_with_the_most_changes_are_drawn_in_the_order_of_the_ranking(ranked):
    frame = scpi.get.de_df(ranked)
    n_changed = (frame["pval_adj"] <= 0.05).groupby(frame["group"], observed=True).sum()
    assert n_changed.sort_values(ascending=False).index.tolist() == ["B", "A", "C"]
    panels = scpi.pl.volcano(ranked, n_panels=2, show=False)
    assert [panel.get_title().splitlines()[0] for panel in panels] == ["A", "B"]


def test_the_strongest_or_the_chosen_genes_are_named(ranked):
    panel = scpi.pl.volcano(ranked, groups="B", n_genes=4, log2fc_min=0.5, show=False)
    names = {text.get_text() for text in panel.texts}
    assert names == set(scpi.get.de_df(ranked, group="B").sort_values("pval")["gene"][:4])
    panel = scpi.pl.volcano(ranked, groups="B", genes=["G299", "G0"], show=False)
    assert {text.get_text() for text in panel.texts} == {"G299", "G0"}
    panel = scpi.pl.volcano(ranked, groups="B", n_genes=0, show=False)
    assert len(panel.texts) == 0


def test_what_lies_beyond_the_axes_is_at_their_edge(ranked):
    stored = ranked.uns["rank_genes_groups"]
    gene = stored["names"]["A"][0]
    stored["logfoldchanges"]["A"][0] = 30.0
    stored["log10_pvals"]["A"][1] = -np.inf
    panel = scpi.pl.volcano(ranked, groups="A", show=False)
    triangles = points(panel, marker="^")
    assert len(triangles) == 2
    others = scpi.get.de_df(ranked, group="A")["log2fc"][1:].abs().max()
    assert triangles[:, 0].max() == pytest.approx(1.08 * others)
    assert triangles[:, 1].max() == pytest.approx(323.306, abs=1e-3)
    assert panel.get_xlim()[1] > triangles[:, 0].max()
    assert gene in scpi.get.de_df(ranked, group="A", log2fc_min=20)["gene"].tolist()
    # Far below what a float can hold, where the logarithm is known
    stored["log10_pvals"]["A"][1] = -900.0
    panel = scpi.pl.volcano(ranked, groups="A", show=False)
    assert points(panel)[:, 1].max() == 900
    assert panel.get_ylim()[1] > 900


@pytest.mark.parametrize("n_genes", [300, 3000])
def test_thousands_of_points_are_one_picture_in_a_vector_file(n_genes):
    rng = np.random.default_rng(0)
    fold = rng.normal(0, 2, (1, n_genes))
    genes = np.array([f"G{i}" for i in range(n_genes)], dtype=object)
    adata = ad.AnnData(np.ones((1, n_genes), dtype=np.float32), var=pd.DataFrame(index=genes))
    p = 10.0 ** -np.abs(fold)
    write_ranking(
        adata,
        "rank_genes_groups",
        Ranking(np.array(["A"], dtype=object), genes, fold, fold, np.log10(p), p),
    )
    panel = scpi.pl.volcano(adata, pval_cutoff=0.01, show=False)
    clouds = [item for item in panel.collections if len(item.get_offsets()) > 20]
    assert [item.get_rasterized() for item in clouds] == [n_genes > 2000] * 3


def test_what_cannot_be_drawn(ranked):
    with pytest.raises(ValueError, match="not tested: 'Z'"):
        scpi.pl.volcano(ranked, groups="Z")
    with pytest.raises(ValueError, match="not measured: 'MX1'"):
        scpi.pl.volcano(ranked, genes=["G1", "MX1"])
    with pytest.raises(KeyError, match="no ranking of genes"):
        scpi.pl.volcano(ranked, key="nothing")
    for name in ("pvals", "log10_pvals"):
        for group in "ABC":
            ranked.uns["rank_genes_groups"][name][group] = np.nan
    with pytest.raises(ValueError, match="no p-values"):
        scpi.pl.volcano(ranked)


def test_axes_of_ones_own(ranked):
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots()
    assert scpi.pl.volcano(ranked, groups="A", ax=ax) is ax
    assert scpi.pl.volcano(ranked, groups="A", ax=ax, return_fig=True) is figure
    with pytest.raises(ValueError, match="one panel"):
        scpi.pl.volcano(ranked, ax=ax)
