"""Relations of contexts."""

from __future__ import annotations

import numpy as np

from scpi.model.perturbation_gp._contexts import relations


def test_similarity_falls_with_the_distance_of_the_controls():
    control = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    found = relations(control, control, np.eye(3))
    # Squared distances 1, 4 and 5, whose median is 4
    squared = np.array([[0, 1, 4], [1, 0, 5], [4, 5, 0]])
    np.testing.assert_allclose(found[0], np.exp(-squared / 2.0))
    np.testing.assert_allclose(found[1], np.exp(-squared / 16.0))
    np.testing.assert_array_equal(found[2], np.eye(3))


def test_a_new_context_is_related_by_its_controls_alone():
    control = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    found = relations(np.array([[1.0, 0.0]]), control, np.zeros((1, 3)))
    np.testing.assert_allclose(found[:2, 0], relations(control, control, np.eye(3))[:2, 1])
    assert not found[2].any()


def test_contexts_with_the_same_controls_are_the_same():
    found = relations(np.ones((2, 4)), np.ones((2, 4)), np.eye(2))
    np.testing.assert_array_equal(found[0], np.ones((2, 2)))
    np.testing.assert_array_equal(relations(np.ones((1, 4)), np.ones((1, 4)), np.eye(1)), np.ones((3, 1, 1)))
