"""Blocks that are left out."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.model.perturbation_gp._blocks import calibrate_blocks, left_out_blocks
from scpi.model.perturbation_gp._evidence import projection
from scpi.model.perturbation_gp._process import calibrate, leave_one_out
from scpi.model.perturbation_gp._response import Response


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 5))
    covariance, noise = root @ root.T, rng.uniform(0, 1, 12)
    deviation = rng.normal(size=(12, 2))
    deviation -= deviation.mean(axis=0)
    response = Response(np.zeros(2), np.eye(2), deviation, np.ones(12), noise)
    inverse = projection(covariance + np.diag(1.0 + noise))
    return covariance, response, inverse


def test_a_block_has_no_say_in_its_prediction(problem):
    covariance, response, inverse = problem
    blocks = np.repeat([0, 1, 2], [3, 4, 5])
    found, measured = left_out_blocks(response, inverse @ response.scores, inverse, blocks)
    for block in range(3):
        out, others = np.flatnonzero(blocks == block), np.flatnonzero(blocks != block)
        part = covariance[np.ix_(others, others)] + np.diag(1.0 + response.noise[others])
        weights = np.linalg.inv(part).sum(axis=0)
        mean = weights @ response.scores[others] / weights.sum()
        dual = projection(part) @ response.scores[others]
        expected = mean + covariance[np.ix_(out, others)] @ dual - response.scores[others].mean(axis=0)
        np.testing.assert_allclose(found[out], expected, atol=1e-8)
        np.testing.assert_allclose(measured[out], response.deviation[out] - response.deviation[others].mean(axis=0))


def test_blocks_of_one_are_points(problem):
    _, response, inverse = problem
    dual = inverse @ response.scores
    found, measured = left_out_blocks(response, dual, inverse, np.arange(12))
    np.testing.assert_allclose(found, leave_one_out(response.scores, dual, inverse), atol=1e-10)
    everywhere = np.ones(12, dtype=bool)
    slope = calibrate_blocks(found, measured, response, everywhere, np.arange(12))
    np.testing.assert_allclose(slope, calibrate(found, response), atol=1e-12)


def test_of_one_block_nothing_is_predicted(problem):
    _, response, inverse = problem
    found, _ = left_out_blocks(response, inverse @ response.scores, inverse, np.zeros(12, dtype=int))
    assert not found.any()


def test_points_that_move_together_count_once():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(40, 6))
    response = Response(np.zeros(6), np.eye(6), real, np.ones(40), np.zeros(40))
    # Too large by a factor of each cluster
    predicted = np.repeat([[0.5], [1.0], [2.0], [4.0]], 10, axis=0) * real
    everywhere, clusters = np.ones(40, dtype=bool), np.repeat(np.arange(4), 10)
    alone = calibrate_blocks(predicted, real, response, everywhere, np.arange(40))
    together = calibrate_blocks(predicted, real, response, everywhere, clusters)
    assert 0 < together < alone - 0.04
    # Four of them cannot tell a slope from nothing
    assert calibrate_blocks(predicted, real, response, everywhere, clusters, level=0.001) == 0
    assert calibrate_blocks(predicted, real, response, np.arange(40) < 2, clusters) == 0
