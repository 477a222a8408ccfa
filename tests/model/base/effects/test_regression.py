from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.effects._regression import member_effects, shrinkage


def test_contexts_with_one_change_call_for_no_shrinkage():
    controls = np.random.default_rng(0).normal(size=(5, 20))
    assert shrinkage(controls, np.ones((5, 20))) == pytest.approx(1.0)


def test_fewer_than_three_contexts_or_no_change_say_nothing():
    rng = np.random.default_rng(0)
    assert shrinkage(rng.normal(size=(2, 20)), rng.normal(size=(2, 20))) == 1.0
    assert shrinkage(rng.normal(size=(5, 20)), np.zeros((5, 20))) == 1.0


def test_changes_that_contexts_do_not_share_shrink_predictions():
    """The mean of n - 1 changes, each a common one plus its own, keeps c / (c + o / (n - 1)) of its size."""
    rng, n, genes = np.random.default_rng(0), 8, 20_000
    # Controls that say nothing: the regression is the mean
    controls, common = np.zeros((n, genes)), rng.normal(size=genes)
    changes = common + rng.normal(0, 3.0, size=(n, genes))
    expected = 1 / (1 + 9 / (n - 1))
    found = shrinkage(controls, changes)
    # One standard error of the slopes above
    assert expected < found < expected + 0.05


def test_predictions_that_point_away_are_dropped():
    """One context against all others: none says anything of another."""
    changes = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
    assert shrinkage(np.zeros((4, 2)), changes) == 0.0


@pytest.mark.parametrize("combined", [True, False])
def test_effects_of_members_are_those_of_least_squares(combined):
    rng = np.random.default_rng(0)
    design = np.vstack([np.eye(4), [[1, 1, 0, 0], [0, 1, 2, 0]]]) if combined else np.diag([1.0, 2.0, 1.0, 0.5])
    changes, n_cells = rng.normal(size=(len(design), 7)), rng.integers(1, 50, len(design))
    root = np.sqrt(n_cells)[:, None]
    expected = np.linalg.lstsq(design * root, changes * root, rcond=None)[0]
    np.testing.assert_allclose(member_effects(design, changes, n_cells), expected, atol=1e-9)


def test_members_that_were_not_measured_alone_share_the_effect():
    design, changes = np.array([[1.0, 1.0, 0.0]]), np.array([[3.0, -1.0]])
    expected = [[1.5, -0.5], [1.5, -0.5], [0.0, 0.0]]
    np.testing.assert_allclose(member_effects(design, changes, np.array([9])), expected, atol=1e-12)
