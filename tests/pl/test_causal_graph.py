from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import FancyArrowPatch

import scpi

pytestmark = pytest.mark.smoke("networkx")


def drawn(ax):
    nodes = {item.get_gid(): item for item in ax.collections if isinstance(item, PathCollection)}
    edges = {item.get_gid(): item for item in ax.patches if isinstance(item, FancyArrowPatch)}
    return nodes, edges


@pytest.mark.parametrize("n", [1, 2, 10, 30])
def test_nodes_and_edges_are_those_of_the_graph(graph_data, n):
    adata = graph_data(n)
    ax = scpi.pl.causal_graph(adata, top_n=None, show=False)
    nodes, edges = drawn(ax)
    stored = adata.uns["causal_graph"]
    table = stored["edges"]
    assert edges.keys() == {f"{s}->{t}" for s, t in zip(table["source"], table["target"], strict=True)}
    ends = set(table["source"]) | set(table["target"])
    hit = stored["factors"].query("n_targets > 0")["factor"]
    assert nodes.keys() == ends | set(hit)


def test_colour_says_the_sign_and_width_the_weight(graph_data):
    adata = graph_data(10)
    table = adata.uns["causal_graph"]["edges"]
    _, edges = drawn(scpi.pl.causal_graph(adata, top_n=None, show=False))
    widths = []
    for source, target, weight in table.itertuples(index=False):
        edge = edges[f"{source}->{target}"]
        assert to_hex(edge.get_edgecolor()) == ("#0072b2" if weight > 0 else "#d55e00")
        widths.append(edge.get_linewidth())
    assert np.corrcoef(widths, table["weight"].abs())[0, 1] > 0.999


def test_edges_can_be_limited(graph_data):
    adata = graph_data(10)
    assert len(drawn(scpi.pl.causal_graph(adata, top_n=3, show=False))[1]) == 3
    n_strong = (adata.uns["causal_graph"]["edges"]["weight"].abs() >= 1.0).sum()
    assert len(drawn(scpi.pl.causal_graph(adata, top_n=None, threshold=1.0, show=False))[1]) == n_strong
    assert len(drawn(scpi.pl.causal_graph(graph_data(30), show=False))[1]) == 20


def with_stability(adata, values):
    adata = adata.copy()
    edges = adata.uns["causal_graph"]["edges"]
    adata.uns["causal_graph"]["edges"] = edges.assign(stability=np.resize(values, len(edges)))
    return adata


def note(ax):
    return [text.get_text() for text in ax.texts if "stable" in text.get_text()]


def test_only_stable_edges_are_drawn(graph_data):
    adata = with_stability(graph_data(10), [0.9, 0.8, 0.79])
    table = adata.uns["causal_graph"]["edges"]
    ax = scpi.pl.causal_graph(adata, top_n=None, show=False)
    stable = table[table["stability"] >= 0.8]
    assert drawn(ax)[1].keys() == {f"{s}->{t}" for s, t in zip(stable["source"], stable["target"], strict=True)}
    assert not note(ax)
    assert len(drawn(scpi.pl.causal_graph(adata, top_n=None, min_stability=None, show=False))[1]) == len(table)


def test_a_graph_without_a_stable_edge_says_so(graph_data):
    adata = with_stability(graph_data(10), [0.2])
    ax = scpi.pl.causal_graph(adata, min_stability=0.9, show=False)
    nodes, edges = drawn(ax)
    assert not edges
    assert nodes
    assert note(ax) == ["No stable edge: none is found again in 90% of the halves of the cells"]
    # Without a test of stability nothing is said of it
    assert not note(scpi.pl.causal_graph(graph_data(1), show=False))


def test_causes_stand_above_effects_and_edges_point_down(graph_data):
    adata = graph_data(30, edge_probability=0.1)
    ax = scpi.pl.causal_graph(adata, show=False)
    nodes, edges = drawn(ax)
    y = {name: node.get_offsets()[0, 1] for name, node in nodes.items()}
    for gid in edges:
        source, target = gid.split("->")
        assert y[source] > y[target]


def test_the_area_of_a_node_grows_with_its_perturbations(graph_data):
    adata = graph_data(8)
    factors = adata.uns["causal_graph"]["factors"].set_index("factor")
    nodes, _ = drawn(scpi.pl.causal_graph(adata, show=False))
    area = {name: node.get_sizes()[0] for name, node in nodes.items()}
    n = factors.loc[list(area), "n_targets"]
    assert np.corrcoef(list(area.values()), n)[0, 1] > 0.999


def test_labels_name_perturbations_and_sets(graph_data):
    adata = graph_data(4, n_perturbations=3)
    factors = adata.uns["causal_graph"]["factors"]
    texts = [text.get_text() for text in scpi.pl.causal_graph(adata, show=False).texts]
    written = " ".join(texts)
    for row in factors.itertuples():
        if row.n_targets:
            for label in row.targets.split(";"):
                assert label in written
            for name in row.top_sets.split(";")[:2]:
                assert name.removeprefix("HALLMARK_").replace("_", " ") in texts
            assert row.factor.removeprefix("factor_") in texts
    none = [text.get_text() for text in scpi.pl.causal_graph(adata, n_targets=0, n_sets=0, show=False).texts]
    # Factors that no perturbation acts on and no edge connects are left out, and counted in a note
    assert all(text.isdigit() or text.endswith("of 4 factors") for text in none)


def test_what_is_not_named_is_counted(graph_data):
    adata = graph_data(1, n_perturbations=12)
    texts = [text.get_text() for text in scpi.pl.causal_graph(adata, n_targets=2, show=False).texts]
    assert "GENE0, GENE1, +10" in texts


def test_names_without_space_are_counted_too(graph_data):
    adata = graph_data(1, n_perturbations=40)
    ax = scpi.pl.causal_graph(adata, n_targets=35, show=False)
    names = " ".join(text.get_text() for text in ax.texts if text.get_weight() == "bold")
    assert 0 < names.count("GENE") < 35
    assert names.endswith(f"+{40 - names.count('GENE')}")


@pytest.mark.parametrize("n", [10, 30, 105])
def test_labels_do_not_overlap_and_stay_on_the_page(graph_data, n):
    names = [f"positive regulation of a rather long biological process {i} (GO:{i:07d})" for i in range(200)]
    adata = graph_data(n, n_perturbations=105, edge_probability=3.0 / n, set_names=names)
    ax = scpi.pl.causal_graph(adata, show=False)
    figure = ax.get_figure()
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    for i, box in enumerate(boxes):
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= -1
        # A pixel of two lines of one label may touch
        assert not any(
            box.x0 < other.x1 - 1 and other.x0 < box.x1 - 1 and box.y0 < other.y1 - 3 and other.y0 < box.y1 - 3
            for other in boxes[:i]
        )


def test_edges_pass_no_node(graph_data):
    adata = graph_data(30, edge_probability=0.1)
    ax = scpi.pl.causal_graph(adata, show=False)
    nodes, edges = drawn(ax)
    centres = {name: node.get_offsets()[0] for name, node in nodes.items()}
    radius = {name: np.sqrt(node.get_sizes()[0]) / 72 / 2 for name, node in nodes.items()}
    for gid, edge in edges.items():
        points = np.concatenate(edge.get_path().to_polygons(closed_only=False))
        for name in nodes.keys() - set(gid.split("->")):
            assert np.hypot(*(points - centres[name]).T).min() > radius[name]


def test_factors_without_edges_are_limited(graph_data):
    adata = graph_data(40, n_perturbations=200, edge_probability=0.0)
    nodes, edges = drawn(scpi.pl.causal_graph(adata, n_isolated=4, show=False))
    assert not edges
    most = adata.uns["causal_graph"]["factors"].sort_values("n_targets", ascending=False, kind="stable")["factor"][:4]
    assert nodes.keys() == set(most)


def test_a_cycle_is_no_causal_order(graph_data):
    adata = graph_data(3)
    cycle = pd.DataFrame({"source": ["factor_0", "factor_1"], "target": ["factor_1", "factor_0"], "weight": 1.0})
    adata.uns["causal_graph"]["edges"] = cycle
    with pytest.raises(ValueError, match="cycle"):
        scpi.pl.causal_graph(adata)
