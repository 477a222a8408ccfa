from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from scpi.datasets._program_draw import draw_activities, draw_programs, shares_of_total


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
