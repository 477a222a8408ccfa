from __future__ import annotations

import numpy as np
import pytest

from scpi.datasets._scm import GraphKind, check_choice, draw_graph, propagate


def draw(kind="erdos_renyi", probability=0.5, n=6, rng=0):
    return draw_graph(
        n, kind=kind, edge_probability=probability, weight_range=(0.5, 2.0), rng=np.random.default_rng(rng)
    )


@pytest.mark.parametrize("rng", range(5))
def test_causes_come_before_their_effects(rng):
    graph, order = draw(rng=rng)
    assert sorted(order) == list(range(6))
    place = np.argsort(order)
    causes, effects = np.nonzero(graph)
    assert (place[causes] < place[effects]).all()
    weights = np.abs(graph[graph != 0])
    assert weights.min() >= 0.5 and weights.max() <= 2.0


def test_a_chain_links_each_factor_to_the_next():
    graph, order = draw("chain")
    assert graph.sum() == 5
    assert (graph[order[:-1], order[1:]] == 1).all()


def test_no_edge_is_drawn_without_probability_and_one_at_least_with_some():
    assert not draw(probability=0.0)[0].any()
    assert all((draw(probability=1e-9, rng=rng)[0] != 0).sum() == 1 for rng in range(5))
    assert (draw(probability=1.0)[0] != 0).sum() == 15


def test_linear_causes_are_the_solution_of_the_system():
    graph, order = draw(rng=3)
    z = np.random.default_rng(0).normal(size=(4, 6))
    np.testing.assert_allclose(propagate(z, graph, order, "linear"), z @ np.linalg.inv(np.eye(6) - graph))


def test_rectified_causes_act_above_zero_only():
    graph, order = np.array([[0.0, 2.0], [0.0, 0.0]]), np.array([0, 1])
    z = np.array([[3.0, 1.0], [-3.0, 1.0]])
    np.testing.assert_array_equal(propagate(z, graph, order, "relu"), [[3.0, 7.0], [-3.0, 1.0]])
    np.testing.assert_array_equal(propagate(z, graph, order, "linear"), [[3.0, 7.0], [-3.0, -5.0]])
    np.testing.assert_array_equal(z[:, 1], 1.0)


def test_unknown_words_are_named_beside_the_known_ones():
    check_choice("chain", GraphKind, "graph")
    with pytest.raises(ValueError, match="`graph` must be one of 'chain', 'erdos_renyi', but is 'tree'"):
        check_choice("tree", GraphKind, "graph")
