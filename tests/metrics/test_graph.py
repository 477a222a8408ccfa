from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from scpi.metrics import (
    align_graph,
    edge_average_precision,
    edge_chance_level,
    match_latents,
    structural_hamming_distance,
    target_recovery,
)

CHAIN = np.eye(4, k=1)


def test_average_precision_by_hand_and_by_sklearn():
    true = np.array([[0, 1, 0], [0, 0, -2.0], [0, 0, 0]])
    scores = np.array([[9, -0.9, 0.5], [0.1, 9, 0.4], [0.0, 0.0, 9]])
    # Ranked: right, wrong, right
    assert edge_average_precision(true, scores) == pytest.approx((1 + 2 / 3) / 2)
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(4, 4))
    off = ~np.eye(4, dtype=bool)
    expected = average_precision_score((CHAIN != 0)[off], np.abs(scores)[off])
    assert edge_average_precision(CHAIN, scores) == pytest.approx(expected)


def test_chance_level():
    assert edge_chance_level(CHAIN) == pytest.approx(3 / 12)
    assert edge_average_precision(CHAIN, np.zeros((4, 4))) == pytest.approx(3 / 12)
    rng = np.random.default_rng(1)
    big = rng.random((40, 40)) < 0.3
    random = np.mean([edge_average_precision(big, rng.random((40, 40))) for _ in range(20)])
    assert random == pytest.approx(edge_chance_level(big), abs=0.02)


def test_structural_hamming_distance():
    assert structural_hamming_distance(CHAIN, CHAIN * -0.3) == 0
    assert structural_hamming_distance(CHAIN, np.zeros((4, 4))) == 3
    assert structural_hamming_distance(CHAIN, CHAIN.T) == 3
    extra = CHAIN.copy()
    extra[0, 3] = 0.05
    assert structural_hamming_distance(CHAIN, extra) == 1
    assert structural_hamming_distance(CHAIN, extra, threshold=0.1) == 0
    # The diagonal is no edge
    assert structural_hamming_distance(CHAIN, CHAIN + np.eye(4)) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 6))
def test_alignment_undoes_order_and_scale(seed, n):
    rng = np.random.default_rng(seed)
    true = np.triu(rng.normal(size=(n, n)), k=1)
    order, scale = rng.permutation(n), rng.uniform(0.2, 5, size=n) * rng.choice([-1, 1], size=n)
    # Latent k is scale[k] times factor order[k]
    latent = true[np.ix_(order, order)] * scale[None, :] / scale[:, None]
    similarity = np.zeros((n, n))
    similarity[order, np.arange(n)] = 1
    permutation = match_latents(similarity)
    np.testing.assert_allclose(align_graph(latent, permutation, scale), true, atol=1e-10)
    np.testing.assert_allclose(align_graph(latent, permutation) != 0, true != 0)


def test_alignment_through_the_causal_model():
    """The scales of the formula are those of a real change of variables."""
    rng = np.random.default_rng(2)
    graph, scale, shift = np.triu(rng.normal(size=(3, 3)), k=1), np.array([2.0, 0.5, 3.0]), 5.0
    z = rng.normal(size=(10, 3))
    u = z @ np.linalg.inv(np.eye(3) - graph)
    shifted = (z + [0, shift, 0]) @ np.linalg.inv(np.eye(3) - graph)
    latent_graph = graph * scale[None, :] / scale[:, None]
    latent_z = z * scale
    np.testing.assert_allclose(latent_z @ np.linalg.inv(np.eye(3) - latent_graph), u * scale)
    strengths = shift * scale
    latent_shifted = (latent_z + [0, strengths[1], 0]) @ np.linalg.inv(np.eye(3) - latent_graph)
    np.testing.assert_allclose(latent_shifted, shifted * scale)
    np.testing.assert_allclose(align_graph(latent_graph, [0, 1, 2], strengths), graph)


def test_more_latents_than_factors_and_shared_latents():
    graph = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(align_graph(graph, [2, 0]), [[0, 8], [2, 0]])
    np.testing.assert_array_equal(align_graph(graph, [1, 1]), np.zeros((2, 2)))
    assert match_latents([[0.9, 0.1, 0.0], [0.8, 0.0, 0.1]]).tolist() == [1, 0] or match_latents(
        [[0.9, 0.1, 0.0], [0.8, 0.0, 0.1]]
    ).tolist() == [0, 2]
    assert match_latents([[0.9, 0.2, 0.0], [0.8, 0.0, 0.0]]).tolist() == [1, 0]


def test_target_recovery():
    assert target_recovery([0, 1, 2], [5, 3, 4]) == 1.0
    assert target_recovery([0, 1, 2, 3], [7, 7, 7, 7]) == 0.25
    # Two perturbations hit the same factor: they belong together
    assert target_recovery([0, 0, 1], [2, 2, 4]) == 1.0
    assert target_recovery([0, 0, 1], [2, 3, 3]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("function", "args", "match"),
    [
        (edge_average_precision, (np.zeros((3, 3)), np.ones((3, 3))), "no edges"),
        (edge_average_precision, (CHAIN, np.ones((3, 3))), "4 nodes and `scores` has 3"),
        (edge_average_precision, (CHAIN, np.full((4, 4), np.nan)), "NaN"),
        (edge_chance_level, (np.ones((2, 3)),), "square"),
        (match_latents, (np.ones((3, 2)),), "at least as many latents"),
        (match_latents, ([[np.nan]],), "NaN"),
        (align_graph, (CHAIN, [0, 4]), "indices of the 4 latents"),
        (align_graph, (CHAIN, [0, -1]), "indices of the 4 latents"),
        (align_graph, (CHAIN, [0, 1], [1.0]), "one value for each"),
        (align_graph, (CHAIN, [0, 1], [1.0, 0.0, 1.0, 1.0]), "not zero"),
        (target_recovery, ([0], [0, 1]), "1 factors and 2 latents"),
    ],
)
def test_bad_input(function, args, match):
    with pytest.raises(ValueError, match=match):
        function(*args)
