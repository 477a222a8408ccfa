from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from scpi.pl._layered import layered_layout


def random_dag(n, p, seed):
    rng = np.random.default_rng(seed)
    graph = nx.DiGraph()
    graph.add_nodes_from(f"n{i}" for i in range(n))
    graph.add_edges_from((f"n{i}", f"n{j}") for i in range(n) for j in range(i + 1, n) if rng.random() < p)
    return graph


@pytest.mark.parametrize(("n", "p"), [(3, 1.0), (10, 0.3), (30, 0.1), (60, 0.02)])
@pytest.mark.parametrize("seed", range(3))
def test_the_rows_keep_the_causal_order(n, p, seed):
    graph = random_dag(n, p, seed)
    layout = layered_layout(graph, dict.fromkeys(graph, 0.5), width=7.0, max_nodes=4)
    row = {node: i for i, nodes in enumerate(layout.rows) for node in nodes}
    assert row.keys() == set(graph)
    assert all(row[source] < row[target] for source, target in graph.edges)
    assert max(map(len, layout.rows)) <= 4
    # An edge passes every row between its ends
    for (source, target), route in layout.routes.items():
        assert [i for i, _ in route] == list(range(row[source] + 1, row[target]))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_overlaps_where_there_is_room(seed):
    graph = random_dag(12, 0.25, seed)
    layout = layered_layout(graph, dict.fromkeys(graph, 0.8), width=9.0, max_nodes=4)
    assert min(layout.spare) >= 0
    for i, nodes in enumerate(layout.rows):
        places = [(layout.x[node], 0.8) for node in nodes]
        places += [(x, 0.2) for route in layout.routes.values() for row, x in route if row == i]
        places.sort()
        for (x0, w0), (x1, w1) in zip(places[:-1], places[1:], strict=True):
            assert x1 - x0 >= (w0 + w1) / 2 - 1e-9
        assert places[0][0] >= places[0][1] / 2 - 1e-9
        assert places[-1][0] <= 9.0 - places[-1][1] / 2 + 1e-9


def test_edges_do_not_cross_where_they_need_not():
    graph = nx.DiGraph([("a", "z"), ("b", "y"), ("c", "x")])
    layout = layered_layout(graph, dict.fromkeys(graph, 0.5), width=5.0)
    above = layout.rows[0]
    below = [next(iter(graph.successors(node))) for node in above]
    assert layout.rows[1] == below


def test_a_page_that_is_too_narrow_is_noticed():
    graph = nx.DiGraph([("a", "c"), ("b", "c")])
    assert layered_layout(graph, dict.fromkeys(graph, 3.0), width=5.0).spare[0] < 0


def test_a_graph_without_nodes():
    assert layered_layout(nx.DiGraph(), {}, width=5.0).rows == []
