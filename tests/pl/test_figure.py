from __future__ import annotations

import re
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import scpi
from scpi.pl._figure import (
    colour_bar,
    finish_panels,
    label_panels,
    note_part,
    panel_grid,
    place_labels,
    set_labels,
    shorten,
    some_names,
    symmetric_limit,
)

FIGURES = {
    "causal_graph": "graph",
    "factor_wordcloud": "graph",
    "intervention_targets": "graph",
    "pathway_activity": "tested",
    "differential_activity": "tested",
    "prediction": "scored",
    "perturbation_effect": "effects",
    "perturbation_similarity": "effects",
    "enrichment": "compared",
    "perturbation_report": "report",
    "contrast_heatmap": "compared",
    "fold_changes": "compared",
    "volcano": "ranked",
    "ma": "ranked",
    "voom": "ranked",
    "pvalue_histogram": "ranked",
    "ranking_agreement": "ranked",
    "ranking_accuracy": "ranked",
    "rank_genes_gradients": "ranked",
    "attribution_heatmap": "ranked",
    "gene_set_impact": "explained",
    "impact_contrast": "explained",
    "program": "explained",
    "saliency": "explained",
    "units": "explained",
    "latent_mixture": "latent",
    "library_size": "joined",
    "risk_coverage": "risks",
}
# Of figures with several panels, what makes one: it takes a part of the time, and the panels are drawn alike
ONE_PANEL = {
    "factor_wordcloud": {"n_panels": 1},
    "differential_activity": {"groups": "A"},
    "perturbation_report": {"panels": "change"},
    "prediction": {"perturbations": "A"},
    "volcano": {"groups": "A"},
    "ma": {"groups": "A"},
    "fold_changes": {"groups": "T cells | A"},
    "voom": {"splits": "B cells"},
    "pvalue_histogram": {"groups": "A"},
    "ranking_accuracy": {"k": 30},
    "rank_genes_gradients": {"groups": "A"},
    "program": {"units": "latent_0"},
    "units": {"units": "latent_0"},
}

# Arguments that take a list of names, with one of them
ONE_NAME = [
    ("attribution_heatmap", ("groups", "A")),
    ("attribution_heatmap", ("genes", "G1")),
    ("contrast_heatmap", ("genes", "G1")),
    ("differential_activity", ("groups", "A")),
    ("enrichment", ("sets", "HALLMARK_SET_1")),
    ("factor_wordcloud", ("stop_words", "set")),
    ("fold_changes", ("genes", "G1")),
    ("gene_set_impact", ("units", "latent_1")),
    ("gene_set_impact", ("sets", "HALLMARK_OTHER_1")),
    ("impact_contrast", ("units", "latent_1")),
    ("impact_contrast", ("sets", "HALLMARK_OTHER_1")),
    ("intervention_targets", ("perturbations", "GENE1")),
    ("library_size", ("groups", "all cells")),
    ("ma", ("genes", "G1")),
    ("pathway_activity", ("groups", "A")),
    ("pathway_activity", ("sets", "HALLMARK_SET_1")),
    ("prediction", ("perturbations", "A")),
    ("program", ("units", "latent_1")),
    ("saliency", ("units", "latent_1")),
    ("units", ("units", "latent_1")),
    ("volcano", ("groups", "A")),
    ("volcano", ("genes", "G1")),
    ("voom", ("splits", "B cells")),
]


@pytest.fixture(scope="module")
def effects():
    names = [f"gene {i}" for i in range(4)]
    results = pd.DataFrame(
        {"perturbation": names, "score": [40.0, 9.0, 1.1, 0.9], "active": [True, True, False, False]}
    )
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    adata.uns["perturbation_effect"] = {"results": results}
    found = results.rename(columns={"score": "strength", "active": "has_effect"})
    names = ("similarity", "similarity_low", "similarity_high", "pval", "pval_adj")
    adata.uns["perturbation_similarity"] = {"results": found, "pairs": dict.fromkeys(names, np.array([0.01]))}
    return adata


@pytest.fixture(scope="module")
def originals(
    graph_data,
    tested,
    scored_once,
    ranked_once,
    explained_once,
    latent_once,
    joined_once,
    effects,
    risks_once,
    compared_once,
    report_once,
):
    return {
        "effects": effects,
        "graph": graph_data(6),
        "tested": tested(),
        "scored": scored_once,
        "ranked": ranked_once,
        "explained": explained_once,
        "latent": latent_once,
        "joined": joined_once,
        "risks": risks_once,
        "compared": compared_once,
        "report": report_once,
    }


@pytest.fixture
def data(originals, kind):
    return originals[kind].copy()


@pytest.fixture(scope="module")
def read(originals, tmp_path_factory):
    """The data of a kind as they are read from a file, which is written once."""

    @cache
    def path(kind):
        path = tmp_path_factory.mktemp("figures") / "a.h5ad"
        originals[kind].copy().write_h5ad(path)
        return path

    return lambda kind: ad.read_h5ad(path(kind))


@pytest.fixture(scope="module")
def drawn(originals):
    """Draw a figure once for all tests that only look at its axes, and do not show it."""

    @cache
    def draw(name):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plt, "show", lambda: pytest.fail("shown"))
            result = getattr(scpi.pl, name)(originals[FIGURES[name]].copy(), show=False)
        return result if isinstance(result, list) else [result]

    return draw


def test_every_figure_is_tested_here():
    # Those of tables, which are no AnnData, and that of doses, which needs a screen with doses, are tested by themselves
    assert FIGURES.keys() == set(scpi.pl.__all__) - {"benchmark", "dose_response", "paired_expression", "power"}


@pytest.mark.parametrize(("name", "kind"), FIGURES.items())
def test_what_a_figure_returns(name, data, drawn, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(True))
    plot, options = getattr(scpi.pl, name), ONE_PANEL.get(name, {})
    before = dict(plt.rcParams)
    assert all(isinstance(axes, plt.Axes) for axes in drawn(name))
    assert isinstance(plot(data, show=False, return_fig=True, **options), plt.Figure)
    assert not shown
    assert plot(data, **options) is None
    assert shown == [True]
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(("name", "kind"), FIGURES.items())
@pytest.mark.parametrize("layout", [None, "constrained"])
def test_a_figure_can_be_drawn_on_given_axes(name, data, layout):
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout=layout)
    result = getattr(scpi.pl, name)(data, ax=left, **ONE_PANEL.get(name, {}))
    assert result is left
    figure.draw_without_rendering()
    assert left.has_data() or left.patches
    assert not right.has_data()


@pytest.mark.parametrize(("name", "kind"), FIGURES.items())
def test_a_figure_has_the_given_size(name, data):
    figure = getattr(scpi.pl, name)(data, figsize=(5, 4), return_fig=True, **ONE_PANEL.get(name, {}))
    assert figure.get_size_inches().tolist() == [5, 4]


def notes(figure):
    """Notes such as "6 of 9 groups" in a figure."""
    texts = [text.get_text() for text in figure.findobj(plt.Text) if text.get_visible()]
    return re.findall(r"\d+ of [\d,]+ [a-z ]+[a-z]", "; ".join(texts))


# What leaves a part of each figure out, and what it says then
PARTS = {
    "volcano": ({"n_panels": 2}, ["2 of 3 groups"]),
    "ma": ({"n_panels": 2}, ["2 of 3 groups"]),
    "pvalue_histogram": ({"n_panels": 2}, ["2 of 3 groups"]),
    "rank_genes_gradients": ({"n_panels": 2}, ["2 of 3 groups"]),
    "fold_changes": ({"n_panels": 1}, ["1 of 4 comparisons"]),
    "voom": ({"n_panels": 1}, ["1 of 2 models"]),
    "contrast_heatmap": ({"n_genes": 5}, ["5 of 120 genes"]),
    "enrichment": ({"n_sets": 2}, ["2 of 12 gene sets"]),
    "units": ({"n_units": 2}, ["2 of 8 units"]),
    "program": ({"n_units": 3}, ["3 of 8 units"]),
    "saliency": ({"n_units": 3}, ["3 of 8 units"]),
    "gene_set_impact": ({"n_units": 3, "n_sets": 2}, ["3 of 8 units", "2 of 28 gene sets"]),
    "impact_contrast": ({"n_units": 3, "n_sets": 2}, ["3 of 8 units", "2 of 28 gene sets"]),
    "pathway_activity": ({"n_groups": 1, "n_sets": 1}, ["1 of 3 perturbations"]),
    "differential_activity": ({"n_groups": 1}, ["1 of 3 perturbations"]),
    "prediction": ({"n_panels": 1}, ["1 of 2 measured perturbations"]),
    "perturbation_effect": ({"n_perturbations": 3}, ["3 of 4 perturbations"]),
    "factor_wordcloud": ({"n_panels": 1}, ["1 of 6 factors with gene sets"]),
    "causal_graph": ({"top_n": 1, "n_isolated": 0}, ["1 of 4 edges", "2 of 6 factors"]),
}


@pytest.mark.parametrize(("name", "kind"), [(name, FIGURES[name]) for name in PARTS])
def test_a_figure_says_that_it_shows_a_part(name, data, drawn):
    options, expected = PARTS[name]
    figure = getattr(scpi.pl, name)(data, return_fig=True, **options)
    assert [note for note in notes(figure) if "are active" not in note] == expected
    # The defaults draw all of these few groups
    assert not set(expected) & set(notes(drawn(name)[0].get_figure()))


def test_a_part_on_given_axes_is_noted_below_their_label():
    figure, ax = plt.subplots()
    ax.set_xlabel("Unit")
    note_part(ax, (2, 2, "units"))
    assert ax.get_xlabel() == "Unit"
    note_part(ax, (2, 1200, "units"), (3, 3, "gene sets"), (4, 5, "genes"))
    assert ax.get_xlabel() == "Unit\n2 of 1,200 units, 4 of 5 genes"
    note_part(figure, (6, 9, "groups"))
    assert figure.get_supxlabel() == "6 of 9 groups"
    before = figure.get_figheight()
    note_part(figure, (9, 9, "groups"), grow=True)
    assert figure.get_figheight() == before
    note_part(figure, (6, 9, "groups"), grow=True)
    assert figure.get_figheight() == pytest.approx(before + 0.17)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_a_page_and_can_be_read(name, drawn):
    figure = drawn(name)[0].get_figure()
    assert figure.get_figwidth() <= 7.09
    sizes = [text.get_fontsize() for text in figure.findobj(plt.Text) if text.get_text() and text.get_visible()]
    assert sizes
    assert min(sizes) >= 7


@pytest.mark.parametrize(("name", "kind"), FIGURES.items())
def test_a_figure_survives_a_file(name, kind, read, tmp_path):
    figure = getattr(scpi.pl, name)(read(kind), return_fig=True, **ONE_PANEL.get(name, {}))
    figure.savefig(tmp_path / "figure.pdf")
    figure.set_layout_engine("none")  # it stands, and would take as long again
    figure.savefig(tmp_path / "figure.svg")


@pytest.mark.parametrize(("name", "argument", "value"), [(name, *one) for name, one in ONE_NAME])
def test_one_name_draws_what_a_list_of_it_draws(name, argument, value, originals):
    drawn = []
    for given in (value, [value]):
        figure = getattr(scpi.pl, name)(originals[FIGURES[name]].copy(), return_fig=True, **{argument: given})
        figure.draw_without_rendering()
        drawn.append([text.get_text() for text in figure.findobj(plt.Text)])
    assert drawn[0] == drawn[1] and any(drawn[0])


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_missing_is_said(name):
    with pytest.raises(KeyError, match=r"`scpi\.(tl|de|model)\."):
        getattr(scpi.pl, name)(ad.AnnData(np.ones((1, 1), dtype=np.float32)))


@pytest.mark.parametrize(("name", "kind"), [(name, FIGURES[name]) for name in ONE_PANEL])
def test_one_pair_of_axes_takes_one_panel(name, data):
    with pytest.raises(ValueError, match="`ax` can hold one panel"):
        getattr(scpi.pl, name)(data, ax=plt.figure().add_subplot())


def test_the_outer_panels_have_labels():
    _, panels = panel_grid(5, None, None, size=(1.0, 1.0), n_columns=3)
    label_panels(panels, x="x", y="y")
    assert [panel.get_xlabel() for panel in panels] == ["", "", "x", "x", "x"]
    assert [panel.get_ylabel() for panel in panels] == ["y", "", "", "y", ""]
    label_panels(panels[:1], x="z")
    assert panels[0].get_xlabel() == "z"


def test_a_single_panel_is_no_list():
    figure, panels = panel_grid(2, None, None, size=(1.0, 1.0), n_columns=3)
    assert finish_panels(figure, panels, ax=None, show=False, return_fig=False) is panels
    assert finish_panels(figure, panels[:1], ax=None, show=False, return_fig=False) is panels[0]
    assert finish_panels(figure, panels, ax=None, show=False, return_fig=True) is figure


def test_a_colour_bar_has_a_label_and_no_outline():
    figure, ax = plt.subplots()
    colour_bar(figure, ax.imshow(np.eye(2)), ax, "Values", shrink=0.5)
    (bar,) = [other for other in figure.axes if other is not ax]
    assert bar.get_ylabel() == "Values"
    assert not bar.spines["outline"].get_visible()


def test_names_of_sets():
    assert set_labels(["HALLMARK_E2F_TARGETS", "HALLMARK_HYPOXIA"]) == ["E2F TARGETS", "HYPOXIA"]
    assert set_labels(["HALLMARK_HYPOXIA", "KEGG_HYPOXIA"]) == ["HALLMARK HYPOXIA", "KEGG HYPOXIA"]
    assert set_labels(["B cell activation (GO:0042113)"]) == ["B cell activation"]
    long = ["a very long name of a set that ends in one", "a very long name of a set that ends in two"]
    labels = set_labels(long, 20)
    assert all(len(label) <= 20 for label in labels)
    assert len(set(labels)) == 2
    assert set_labels(["positive regulation of B cell activation"], 20, abbreviate=True) == [
        "pos. reg. B cell ac\u2026"
    ]
    assert set_labels(["regulation of growth"], 20, abbreviate=True) == ["regulation of growth"]


def test_short_texts():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde\u2026"
    assert some_names(["a", "b", "c"], 2) == "a, b, +1"
    assert some_names(["a", "b"], 2) == "a, b"


def test_one_extreme_value_does_not_flatten_the_colours():
    values = np.r_[np.linspace(-1, 1, 999), 1000.0]
    assert symmetric_limit(values) < 2
    assert symmetric_limit(np.zeros(3)) == 1.0
    assert symmetric_limit(np.array([np.nan])) == 1.0


def test_labels_overlap_neither_each_other_nor_the_frame():
    _, ax = plt.subplots(figsize=(3, 3))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 60))
    ax.scatter(x, y)
    texts = place_labels(ax, x, y, [f"GENE{i}" for i in range(10)], shown=np.arange(10))
    assert len(texts) >= 8
    ax.get_figure().draw_without_rendering()
    boxes = [plt.Text.get_window_extent(text) for text in texts]
    frame = ax.get_window_extent()
    for i, box in enumerate(boxes):
        assert frame.containsx(box.x0)
        assert frame.containsx(box.x1)
        assert not any(box.overlaps(other) for other in boxes[:i])
