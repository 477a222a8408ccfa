"""Quantiles that hold for one more score: which one, how many scores they need, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest

from scpi._conformal._quantile import check_level, fewest, group_quantile


@pytest.mark.parametrize(("level", "n"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.3, 1)])
def test_number_of_scores_that_a_level_needs(level, n):
    scores = np.arange(1.0, n + 1)[:, None]
    assert fewest(level) == n
    assert np.isfinite(group_quantile(scores, np.arange(n), level)).all()
    if n > 1:
        assert group_quantile(scores[1:], np.arange(n - 1), level) == np.inf


def test_the_quantile_is_the_score_of_the_split_conformal_rank():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(37, 5))
    for level in (0.5, 0.8, 0.9, 0.95):
        rank = int(np.ceil((37 + 1) * level - 1e-9))
        found = group_quantile(scores, np.arange(37), level)
        np.testing.assert_array_equal(found, np.sort(scores, axis=0)[rank - 1])


@pytest.mark.parametrize("n", [9, 19, 22])
def test_coverage_of_exchangeable_scores_is_exact(n):
    # Columns are independent data sets
    scores = np.random.default_rng(n).gamma(0.5, size=(n + 1, 100_000))
    covered = scores[n] <= group_quantile(scores[:n], np.arange(n), 0.9)
    expected = np.ceil((n + 1) * 0.9 - 1e-9) / (n + 1)
    assert abs(covered.mean() - expected) < 4 * np.sqrt(0.09 / 100_000)


def test_rows_of_a_group_share_its_weight():
    # Three groups, of which one has two rows: each counts a quarter, and a quarter is left for the new one
    scores, groups = np.array([[1.0], [5.0], [2.0], [3.0]]), np.array([7, 7, 3, 4])
    assert group_quantile(scores, groups, 0.25) == 2.0
    assert group_quantile(scores, groups, 0.6) == 3.0
    assert group_quantile(scores, groups, 0.75) == 5.0
    assert group_quantile(scores, groups, 0.76) == np.inf


def test_coverage_holds_for_a_row_of_a_new_group():
    rng = np.random.default_rng(0)
    n_groups, n_rows = 12, 4
    level = rng.gamma(1.0, size=(n_groups + 1, 1, 20_000))
    scores = level * rng.gamma(1.0, size=(n_groups + 1, n_rows, 20_000))
    groups = np.repeat(np.arange(n_groups), n_rows)
    bound = group_quantile(scores[:n_groups].reshape(-1, 20_000), groups, 0.8)
    assert 0.8 - 0.01 < (scores[n_groups, 0] <= bound).mean() < 0.9


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, np.nan])
def test_a_level_is_a_fraction(level):
    with pytest.raises(ValueError, match=r"`interval` is the fraction .* between 0 and 1 \(such as 0.9\)"):
        check_level(level)
