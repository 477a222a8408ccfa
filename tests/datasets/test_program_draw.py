from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from scpi.datasets._program_draw import (
    check_confounding,
    draw_activities,
    draw_batches,
    draw_programs,
    draw_usages,
    shares_of_total,
)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_programs_share_genes_with_their_neighbours_on_the_circle(overlap):
    weights = draw_programs(100, 5, 12, overlap=overlap, rng=np.random.default_rng(0))
    member = weights > 0
    assert (member.sum(axis=1) == 12).all()
    assert weights[member].min() >= 0.5 and weights[member].max() <= 1.5
    shared = member.astype(int) @ member.T
    n = round(overlap * 12)
    for i in range(5):
        expected = [12 if i == j else n if (i - j) % 5 in {1, 4} else 0 for j in range(5)]
        assert shared[i].tolist() == expected


def test_programs_that_do_not_fit_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="need 40 genes, but `n_genes` is 30"):
        draw_programs(30, 4, 10, overlap=0.0, rng=rng)
    with pytest.raises(ValueError, match="at least 3, not 2"):
        draw_programs(30, 2, 10, overlap=0.5, rng=rng)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_activities_are_zero_or_gamma_and_correlated_as_asked(correlation):
    n, probability, shape = 20_000, 0.3, 2.0
    z = draw_activities((n, 2), (probability, shape, correlation), np.random.default_rng(1))
    on = z > 0
    # Five standard errors
    assert np.abs(on.mean(axis=0) - probability).max() < 5 * np.sqrt(probability * 0.7 / n)
    for column in z.T:
        assert stats.kstest(column[column > 0], stats.gamma(shape, scale=1 / shape).cdf).pvalue > 1e-3
    # Both are on where two normals of this correlation are above a quantile
    limit = stats.norm.isf(probability)
    both = stats.multivariate_normal(cov=[[1, correlation], [correlation, 1]]).cdf([-limit, -limit])
    assert np.abs(on.all(axis=1).mean() - both) < 5 * np.sqrt(both / n)


def test_fractions_sum_to_one_and_only_differences_count():
    logits = np.array([[0.0, np.log(2.0), np.log(5.0)], [1000.0, 1000.0, 1000.0]])
    found = shares_of_total(logits)
    np.testing.assert_allclose(found, [[1 / 8, 2 / 8, 5 / 8], [1 / 3] * 3])
    np.testing.assert_allclose(shares_of_total(logits - 7.0), found)
    np.testing.assert_allclose(found, special.softmax(logits, axis=1))


def test_cells_that_are_on_are_in_the_first_half_of_the_batches():
    on = np.arange(20_000) % 2 == 0
    batch = draw_batches(on, 5, 0.9, np.random.default_rng(2))
    error = 5 * np.sqrt(0.09 / 10_000)
    assert (batch[on] < 2).mean() == pytest.approx(0.9, abs=error)
    assert (batch[~on] < 2).mean() == pytest.approx(0.1, abs=error)
    # Batches of one half have equal probabilities
    assert stats.chisquare(np.bincount(batch[batch < 2])).pvalue > 1e-3
    assert stats.chisquare(np.bincount(batch[batch >= 2] - 2)).pvalue > 1e-3
    free = draw_batches(on, 5, None, np.random.default_rng(3))
    assert stats.chi2_contingency([np.bincount(free[on]), np.bincount(free[~on])]).pvalue > 1e-3


def test_confounding_needs_batches_and_a_probability():
    check_confounding(None, 1)
    check_confounding(0.9, 2)
    with pytest.raises(ValueError, match=r"must be between 0 and 1, but is 1\.2"):
        check_confounding(1.2, 2)
    with pytest.raises(ValueError, match="set `n_batches` to at least 2, not 1"):
        check_confounding(0.9, 1)


def test_usages_are_logistic_normal_in_the_programs_of_a_cell():
    rng = np.random.default_rng(4)
    cell_type, is_stimulated = rng.integers(2, size=40_000), rng.random(40_000) < 0.5
    location = np.log([[0.2, 0.3, 0.1], [0.5, 0.1, 0.4]])
    usages = draw_usages(cell_type, is_stimulated, location, (0.6, 0.5), rng)
    np.testing.assert_allclose(usages.sum(axis=1), 1.0)
    own = usages[np.arange(40_000), cell_type]
    assert (own > 0).all() and (usages[np.arange(40_000), 1 - cell_type] == 0).all()
    np.testing.assert_array_equal(usages[:, 2] > 0, is_stimulated)
    for which in range(2):
        chosen = (cell_type == which) & is_stimulated
        logits = np.log(usages[chosen, 2:] / own[chosen, None])
        error = 5 * 0.6 / np.sqrt(chosen.sum())
        np.testing.assert_allclose(logits.mean(axis=0), location[which], atol=error)
        np.testing.assert_allclose(logits.std(axis=0), 0.6, atol=error)
        # The response is independent of the activities
        expected = [[1, 0, 0], [0, 1, 0.5], [0, 0.5, 1]]
        np.testing.assert_allclose(np.corrcoef(logits.T), expected, atol=5 / np.sqrt(chosen.sum()))
