"""Every figure with few and many groups and long names, at the width of one and of two columns of a journal."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.collections import Collection
from matplotlib.colors import to_rgb, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import scpi
from scpi._ranking import Ranking, write_ranking
from scpi.pl._figure import MAX_HEIGHT, PAGE_WIDTH, PALETTE

ONE_COLUMN = 3.5
FEW, MANY = 2, 20
# Least fraction of the squares in the emptiest half of a panel, and of the figure in panels with their labels
EMPTY, USED = 0.06, 0.4
# Colour maps that are read without colour vision, and a pale blue for what is not significant
MAPS, PALE = ("viridis", "RdBu_r", "Reds", "Greys"), "#9DB8CF"


def long(word, n):
    """Names of forty characters that differ in the middle."""
    return [f"{word} {i:02d} of cells with a name of some length"[:40].ljust(40, "x") for i in range(n)]


def words(n):
    """Names of gene sets."""
    return [f"HALLMARK_{'_'.join(long('SET', n)[i].upper().split())}" for i in range(n)]


def ranking(n):
    rng = np.random.default_rng(0)
    groups, genes = long("type", n), np.array(long("gene", 60), dtype=object)
    fold = rng.normal(0, 0.1, (n, 60)) + rng.normal(0, 2, (n, 60)) * (rng.random((n, 60)) < 0.3)
    # One group has far larger scores than the others
    scores = fold * np.where(np.arange(n) == 0, 30.0, 3.0)[:, None]
    adata = ad.AnnData(np.ones((40, 60), dtype=np.float32), var=pd.DataFrame(index=genes))
    adata.obs["group"] = [groups[i % n] for i in range(40)]
    adata.layers["attributions"] = rng.normal(size=(40, 60))
    adata.varm["log2fc_rest"] = pd.DataFrame(fold.T * (np.abs(fold.T) > 1), index=genes, columns=groups)
    keys = ["rank_genes_groups", "rank_genes_gradients", "limma", *long("method", n)]
    for key in keys:
        log10_pvals = -12 * np.abs(fold) - rng.random(fold.shape)
        found = Ranking(
            groups=np.array(groups, dtype=object),
            genes=genes,
            scores=scores + rng.normal(size=fold.shape),
            logfoldchanges=fold,
            log10_pvals=log10_pvals,
            pvals_adj=10.0**log10_pvals,
            extra={"ave_expr": rng.normal(5, 2, fold.shape), "ci_low": fold - 1, "ci_high": fold + 1},
            params={"method": "sparse_decoder" if key == "rank_genes_gradients" else "wilcoxon", "groupby": "group"},
        )
        x = rng.normal(5, 2, (n, 60))
        trend = pd.DataFrame({"split": np.repeat(groups, 60), "gene": np.tile(genes, n), "mean_log_count": x.ravel()})
        trend = trend.assign(sqrt_sd=rng.gamma(20, 0.05, len(trend)), line=np.exp(-x.ravel() / 10))
        write_ranking(adata, key, found, **({"voom": trend} if key == "limma" else {}))
    sets = pd.DataFrame(
        [(group, name, *rng.random(2), rng.normal()) for group in groups for name in words(30)],
        columns=["group", "set", "pval", "pval_adj", "log2fc"],
    )
    sets["rank"] = sets.groupby("group")["pval"].rank(method="first").astype(int)
    adata.uns["enrichment"] = {"results": sets, "params": {}}
    return adata


def effects(n):
    names = long("target", n)
    table = pd.DataFrame({"perturbation": names, "score": np.geomspace(0.5, 60, n), "active": np.arange(n) > n / 2})
    adata = ad.AnnData(np.ones((2, 1), dtype=np.float32))
    adata.uns["perturbation_effect"] = {"results": table}
    fraction = np.linspace(0, 1, n)
    found = table[["perturbation"]].assign(fraction=fraction, fraction_low=fraction / 2, fraction_high=fraction)
    adata.uns["responders"] = {"results": found, "summary": found, "fractions": found}
    compared = table.rename(columns={"score": "strength"}).assign(has_effect=np.arange(n) > n / 4 - 1)
    n_pairs = int(compared["has_effect"].sum() * (compared["has_effect"].sum() - 1) / 2)
    pairs = dict.fromkeys(("similarity", "similarity_low", "similarity_high"), np.linspace(-1, 1, n_pairs))
    pairs |= dict.fromkeys(("pval", "pval_adj"), np.linspace(0, 0.1, n_pairs))
    adata.uns["perturbation_similarity"] = {"results": compared, "pairs": pairs}
    return adata


def scored(n):
    rng = np.random.default_rng(0)
    labels, genes = long("target", n), long("gene", 40)
    effect = rng.normal(size=(n, 40))
    real = ad.AnnData(
        np.repeat(np.vstack([np.zeros(40), effect]), 4, axis=0) + rng.normal(3, 0.3, (4 * n + 4, 40)),
        obs={"perturbation": np.repeat(["control", *labels], 4)},
    )
    predicted = ad.AnnData(np.repeat(effect, 2, axis=0) + 3.0, obs={"perturbation": np.repeat(labels, 2)})
    predicted.var_names = real.var_names = genes
    scpi.tl.score_prediction(predicted, real)
    return predicted


def explained(n):
    rng = np.random.default_rng(0)
    genes, units, sets = long("gene", 200), long("unit", n), words(30)
    adata = ad.AnnData(rng.poisson(3.0, size=(60, 200)).astype(np.float32), var=pd.DataFrame(index=genes))
    member = rng.random((200, 30)) < 0.1
    adata.varm["gene_sets"] = member
    adata.uns["gene_sets"] = {"names": np.array(sets, dtype=object)}
    saliency = rng.normal(size=(200, n)) + 2.0 * member[:, np.arange(n) % 7]
    adata.varm["saliency"] = pd.DataFrame(saliency, index=genes, columns=units)
    adata.uns["saliency"] = {"params": {"method": "decoder_effect"}, "units": np.array(units, dtype=object)}
    adata.obsm["X_scpi"] = rng.gamma(1.0, size=(60, n)) * 10.0 ** rng.integers(-3, 4, n)
    adata.obsm["X_umap"] = rng.normal(size=(60, 2))
    scpi.tl.gene_set_impact(adata)
    scpi.tl.annotate_units(adata)
    stored = adata.uns["gene_set_impact"]
    difference = rng.normal(size=stored["zscore"].shape)
    adata.uns["impact_contrast"] = {
        "params": {"target": long("state", 2)[0], "reference": long("state", 2)[1]},
        "units": stored["units"],
        "sets": stored["sets"],
        "difference": difference,
        "zscore": difference,
        "pval_both_adj": rng.random(difference.shape),
    }
    return adata


def latent(n):
    rng = np.random.default_rng(0)
    names = np.array(long("part", n), dtype=object)
    means = rng.normal(0, 4, (n, 3))
    component = np.arange(5 * n) % n
    z = means[component] + rng.normal(size=(5 * n, 3))
    adata = ad.AnnData(np.ones((5 * n, 1), dtype=np.float32), obsm={"X_dgd": z.astype(np.float32)})
    adata.obs["dgd"] = pd.Categorical.from_codes(component, names)
    adata.uns["dgd"] = {
        "names": names,
        "weights": np.full(n, 1 / n),
        "means": means,
        "variances": np.ones((n, 3)),
        "axes": np.eye(3)[:, :2],
    }
    return adata


def joined(n):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame([(origin, kind) for origin in long("origin", 3) for kind in long("type", n) for _ in range(4)])
    obs = obs.rename(columns={0: "origin", 1: "type"}).rename(index=str).astype("category")
    return ad.AnnData(rng.poisson(50_000, size=(len(obs), 2)).astype(np.float32), obs=obs)


def doses(n):
    rng = np.random.default_rng(0)
    genes, name = long("gene", 40), long("drug", 1)[0]
    adata = ad.AnnData(np.ones((1, 40), dtype=np.float32), var=pd.DataFrame(index=genes))
    table = pd.DataFrame(
        [
            (name, context, dose)
            for context in long("context", max(n // 5, 1))
            for dose in (0.0, 1.0, 3.0, 10.0, 1000.0)
        ],
        columns=["perturbation", "context", "dose"],
    ).assign(extrapolated=lambda frame: frame["dose"] > 10)
    models = long("model", min(n, 6))
    for key in models:
        adata.varm[key] = rng.normal(size=(40, len(table)))
        adata.varm[f"{key}_measured"] = rng.normal(size=(40, len(table)))
        adata.varm[f"{key}_measured_se"] = np.full((40, len(table)), 0.1)
        adata.uns[key] = {"params": {"model": key}, "conditions": table, "measured": table}
    return adata


def benchmark(n):
    rng = np.random.default_rng(0)
    metrics = ["pearson", "error_ratio", "r2_weighted", "de_effect_jaccard"] if n == MANY else ["pearson", "rmse"]
    rows = pd.DataFrame(
        [(model, "P", *rng.random(len(metrics))) for model in long("model", n)],
        columns=["model", "perturbation", *metrics],
    )
    return scpi.benchmark.summarise(pd.concat([rows, rows.assign(perturbation="Q")]))


def power(n):
    table = pd.DataFrame(
        [
            (cells, controls, f"target {i}", 10.0, 1.0 - np.exp(-cells * controls / 1e5))
            for cells in (25, 50, 100)
            for controls in 100 * np.arange(1, n + 1)
            for i in range(3)
        ],
        columns=["n_cells", "n_controls", "perturbation", "n_changed", "power"],
    )
    return table.assign(n_replicates=1, n_guides=1, depth=1.0)


def paired(n):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            (gene, split, group, donor, rng.normal())
            for gene in long("gene", 2)
            for split in long("type", max(n // 5, 1))
            for group in long("condition", 4)
            for donor in "abcd"
        ],
        columns=["gene", "split", "group", "donor", "log2_cpm"],
    )


def risks(n):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"perturbation": long("target", n), "confidence": rng.random(n), "size": 1.0})
    table = table.assign(error=rng.random(n), error_of_mean=1.0)
    adata = ad.AnnData(np.ones((1, 2), dtype=np.float32))
    for key in ("predicted_hits", "predicted_hits_pvals", "predicted_hits_change"):
        adata.varm[key] = np.ones((2, 1))
    adata.uns["predicted_hits"] = {
        "conditions": pd.DataFrame({"perturbation": ["A"], "status": "unseen"}),
        "left_out": table,
    }
    return adata


def graph(make, n):
    adata = make(n, n_perturbations=4 * n, edge_probability=2 / n, set_names=words(50))
    adata.uns["causal_graph"]["targets"]["perturbation"] = names = long("target", 4 * n)
    plain = [f"GENE{i}" for i in range(4 * n)]
    factors = adata.uns["causal_graph"]["factors"]
    factors["targets"] = [
        ";".join(dict(zip(plain, names, strict=True))[name] for name in hit.split(";") if name)
        for hit in factors["targets"]
    ]
    return adata


def changed_sets(make, n):
    return make(n_sets=30, groups=long("target", n), name="HALLMARK_SET_{}_OF_SOME_LENGTH_WITH_MANY_WORDS")


def report(once, n):
    """A report whose perturbations, genes, parts and sets have long names."""
    adata = once.copy()
    stored = adata.uns["explained_prediction"]
    for name, table in stored.items():
        if isinstance(table, pd.DataFrame):
            stored[name] = table.assign(
                **{
                    column: table[column].astype(str).str.ljust(40, "x").to_numpy()
                    for column in ("perturbation", "gene", "part", "set")
                    if column in table
                }
            )
    return adata


# A column holds fewer panels than a page
FEWER = {"rank_genes_gradients": {"n_panels": 8}, "units": {"n_units": 6}}
# Data of each figure, and options that draw all of what is there
FIGURES = {
    "attribution_heatmap": (ranking, {}),
    "attribution_heatmap(layer)": (ranking, {"layer": "attributions", "n_cells": 20}),
    "benchmark": (benchmark, {}),
    "causal_graph": ("graph_data", {"min_stability": None}),
    "contrast_heatmap": (ranking, {}),
    "differential_activity": ("tested", {}),
    "dose_response": (doses, {"n_genes": 3, "keys": long("model", 2)}),
    "enrichment": (ranking, {}),
    "factor_wordcloud": ("graph_data", {}),
    "fold_changes": (ranking, {}),
    "gene_set_impact": (explained, {}),
    "impact_contrast": (explained, {}),
    "intervention_targets": ("graph_data", {}),
    "latent_mixture": (latent, {}),
    "library_size": (joined, {"groupby": "type"}),
    "ma": (ranking, {"key": "rank_genes_groups", "expression": "ave_expr"}),
    "paired_expression": (paired, {}),
    "pathway_activity": ("tested", {}),
    "perturbation_effect": (effects, {}),
    "perturbation_report": ("report_once", {}),
    "perturbation_similarity": (effects, {}),
    "power": (power, {}),
    "prediction": (scored, {}),
    "program": (explained, {}),
    "pvalue_histogram": (ranking, {"key": "rank_genes_groups"}),
    "rank_genes_gradients": (ranking, {}),
    "ranking_accuracy": (ranking, {}),
    "ranking_agreement": (ranking, {}),
    "risk_coverage": (risks, {}),
    "saliency": (explained, {}),
    "units": (explained, {}),
    "volcano": (ranking, {"key": "rank_genes_groups"}),
    "voom": (ranking, {}),
}
OF_FIXTURES = {"graph_data": graph, "tested": changed_sets, "report_once": report}


@pytest.fixture(scope="module")
def data(graph_data, tested, report_once):
    fixtures = {"graph_data": graph_data, "tested": tested, "report_once": report_once}

    @cache
    def make(kind, n):
        return OF_FIXTURES[kind](fixtures[kind], n) if isinstance(kind, str) else kind(n)

    return make


def drawn_texts(figure):
    """Texts that are drawn, with their boxes."""
    found = []
    draw = plt.Text.draw

    def record(text, renderer):
        if text.get_visible() and text.get_text().strip():
            found.append((text, plt.Text.get_window_extent(text, renderer)))
        draw(text, renderer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt.Text, "draw", record)
        figure.canvas.draw()
    return found


def clipped(figure, texts):
    """Texts that reach out of the figure."""
    edge = figure.bbox.padded(1.0)
    outside = [text for text, box in texts if not (edge.contains(*box.min) and edge.contains(*box.max))]
    return [f"clipped: {text.get_text()!r}" for text in outside]


def overlapping(texts):
    """Texts that overlap."""
    boxes = np.array([box.padded(-1.0).extents for _, box in texts]).reshape(-1, 4)
    low, high = boxes[:, :2], boxes[:, 2:]
    both = (low[:, None] < high[None]).all(axis=2) & (low[None] < high[:, None]).all(axis=2)
    pairs = zip(*np.nonzero(np.triu(both, 1)), strict=True)
    return [f"overlap: {texts[i][0].get_text()!r} and {texts[j][0].get_text()!r}" for i, j in pairs]


def unlabelled(figure, texts):
    """Axes with numbers that do not say what they are, by a label of their own or of the panel at the edge."""
    shown, found = {text for text, _ in texts}, []
    for ax in figure.axes:
        for direction, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            numbers = [label.get_text() for label in axis.get_ticklabels() if label in shown]
            if not any(text.replace("\N{MINUS SIGN}", "").replace(".", "").isdigit() for text in numbers):
                continue
            peers = [ax, *(other for other in figure.axes if aligned(ax, other, direction))]
            titles = [getattr(peer, f"get_{direction}label")() for peer in peers]
            if not any(titles) and not (hasattr(ax, "_colorbar") and ax.get_title()):
                found.append(f"no unit: {direction} axis of {ax.get_title() or ax.get_label()!r}")
    return found


def aligned(ax, other, direction):
    """Whether a panel stands in the column of another (x), or in its row (y)."""
    specs = ax.get_subplotspec(), other.get_subplotspec()
    if None in specs or specs[0].get_gridspec() is not specs[1].get_gridspec():
        return False
    spans = [spec.colspan if direction == "x" else spec.rowspan for spec in specs]
    return spans[0] == spans[1]


def fill_of(ax, image, dpi):
    """Fraction of the squares of a tenth of an inch that hold something, in the emptiest half of some axes."""
    # Without the frame
    box = ax.get_window_extent().padded(-4.0)
    rows = slice(max(int(image.shape[0] - box.y1), 0), int(image.shape[0] - box.y0))
    part = image[rows, max(int(box.x0), 0) : int(box.x1)]
    n_rows, n_columns = (max(int(n / (0.1 * dpi)), 2) for n in part.shape)
    squares = np.array(
        [
            [square.any() for square in np.array_split(strip, n_columns, axis=1)]
            for strip in np.array_split(part, n_rows)
        ]
    )
    return min(half.mean() for half in [*np.array_split(squares, 2), *np.array_split(squares, 2, axis=1)])


def empty(figure):
    """A complaint about a figure most of whose axes have an empty half."""
    image = np.asarray(figure.canvas.buffer_rgba())[..., :3].min(axis=2) < 245
    fills = [fill_of(ax, image, figure.dpi) for ax in figure.axes if ax.has_data() and not hasattr(ax, "_colorbar")]
    used = sum(ax.get_tightbbox().width * ax.get_tightbbox().height for ax in figure.axes) / np.prod(figure.bbox.size)
    median = float(np.median(fills)) if fills else 1.0
    found = [f"empty: {median:.0%} of the emptiest half of most panels"] if median < EMPTY else []
    return found + ([f"unused: panels take {used:.0%} of the figure"] if used < USED else [])


def problems(figure, *, of_default_size=True):
    texts = drawn_texts(figure)
    found = [*clipped(figure, texts), *overlapping(texts), *unlabelled(figure, texts)]
    if of_default_size:
        found += empty(figure)
    if figure.get_figheight() > MAX_HEIGHT:
        found.append(f"height: {figure.get_figheight():.1f} inches")
    return found


def one_column(width, height):
    """Size of a figure of one column whose panels are as large as in a figure of another size, if a page has the room."""
    return ONE_COLUMN, min(MAX_HEIGHT, max(height, height * width / ONE_COLUMN))


def strange_colours(figure):
    """Saturated colours that are neither of the palette nor of one of the colour maps."""
    known = [*map(to_rgb, (*PALETTE, PALE)), *(colormaps[name](np.linspace(0, 1, 64))[:, :3] for name in MAPS)]
    known = np.vstack([np.atleast_2d(colour) for colour in known])
    artists = [*figure.findobj(Collection), *figure.findobj(Patch), *figure.findobj(Line2D), *figure.findobj(plt.Text)]
    used = set()
    for artist in artists:
        if isinstance(artist, plt.Text) or (isinstance(artist, Line2D) and artist.get_linestyle() != "None"):
            used.add(to_rgb(artist.get_color()))
        elif not isinstance(artist, Line2D):
            outlined = isinstance(artist, Patch) and not artist.get_fill()
            colours = artist.get_edgecolor() if outlined else artist.get_facecolor()
            used |= {tuple(colour[:3]) for colour in np.atleast_2d(to_rgba_array(colours))}
    saturated = [colour for colour in used if np.ptp(colour) > 0.2]
    return [colour for colour in saturated if np.abs(known - colour).max(axis=1).min() > 0.03]


def drawn(data, name, n, size=None):
    kind, options = FIGURES[name]
    plot = getattr(scpi.pl, name.split("(")[0])
    if size is None:
        return plot(data(kind, n), return_fig=True, **options)
    options = options | FEWER.get(name, {})
    width, height = plot(data(kind, n), return_fig=True, **options).get_size_inches()
    return plot(data(kind, n), return_fig=True, figsize=size(width, height), **options)


LONG = ("ma", "prediction", "volcano")
CASES = [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in FIGURES]


def test_every_figure_is_here():
    assert {name.split("(")[0] for name in FIGURES} == set(scpi.pl.__all__)


@pytest.mark.parametrize("name", CASES)
def test_many_groups_with_long_names_can_be_read_on_a_page(data, name):
    figure = drawn(data, name, MANY)
    assert problems(figure) == []
    assert figure.get_figwidth() <= PAGE_WIDTH + 0.01
    assert strange_colours(figure) == []


def figures(reason, *names):
    """All figures; those that do not pass yet are marked."""
    marks = {name: pytest.mark.xfail(strict=True, reason=reason) for name in names}
    return [pytest.param(name, marks=marks.get(name, ())) for name in FIGURES]


@pytest.mark.slow
@pytest.mark.parametrize("name", figures("the curve of two conditions is flat", "risk_coverage"))
def test_two_groups_fill_their_figure(data, name):
    assert problems(drawn(data, name, FEW)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", figures("long titles and labels are cut at the edge", "library_size", "ma", "perturbation_report")
)
def test_many_groups_can_be_read_in_one_column(data, name):
    assert problems(drawn(data, name, MANY, one_column), of_default_size=False) == []


def test_what_cannot_be_read_is_found(data):
    """The checks themselves, on a figure with each fault."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(4, 3))
    left.scatter([0, 1], [0, 1], color="#0072B2")
    left.set_title("a title that is far longer than the figure is wide, and then some more")
    right.scatter([0, 1], [0, 1], color="#00FF00")
    right.set_yticks([0.0, 0.01], ["first", "second"])
    found = problems(figure)
    assert {text.split(":")[0] for text in found} == {"clipped", "overlap", "no unit", "empty"}
    assert strange_colours(figure) == [(0.0, 1.0, 0.0)]
    assert [text for text in problems(plt.figure(figsize=(2, 15))) if "height" in text] == ["height: 15.0 inches"]


def simulated(colours, kind):
    """Colours as they look to dichromats, in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1)."""
    matrix = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }[kind]
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.clip(linear @ np.array(matrix).T, 0, 1)


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_colours_can_be_told_apart_without_colour_vision(kind):
    def nearest(colours):
        seen = simulated(colours, kind)
        return min(np.linalg.norm(a - b) for a, b in combinations(seen, 2))

    assert nearest(PALETTE) > 0.15
    # Red and green of the same lightness cannot
    assert nearest(["#C00000", "#4A5A00"]) < 0.11
