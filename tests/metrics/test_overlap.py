from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import jaccard_score

from scpi.metrics import hits_at_n, overlap_log_pval, precision_at_k, top_k_jaccard, top_k_overlap


def test_top_k_overlap_by_hand():
    real = [[5.0, -4.0, 3.0, 0.2, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0]]
    predicted = [[-1.0, 0.1, 4.0, 2.0, 0.0], [0.0, 0.0, 0.5, 0.0, 0.0]]
    np.testing.assert_allclose(top_k_overlap(real, predicted, k=3), [2 / 3, 1.0])
    np.testing.assert_allclose(top_k_overlap(real, np.zeros((2, 5)), k=3), [0.0, 0.0])
    assert top_k_overlap(real[0], predicted[0], k=100) == 1.0
    assert np.isnan(top_k_overlap(np.zeros(3), [1.0, 2.0, 3.0]))


def test_acc_at_k_of_a_benchmark():
    """Truth: the size of the planted change; zero where nothing was planted. k: 2, or the number of true genes."""
    truth = np.array([0.9, -0.8, 0.5, 0.0, 0.0, 0.0])
    score = np.array([5.0, 1.0, 2.0, 4.0, 0.5, 0.1])
    assert top_k_overlap(truth, score, k=2) == 0.5  # {0, 1} and {0, 3}
    assert top_k_overlap(truth, score, k=None) == pytest.approx(2 / 3)  # {0, 1, 2} and {0, 3, 2}
    # As many genes as each row has true ones
    np.testing.assert_allclose(top_k_overlap([truth, [0, 0, 0, 0, 0, 1]], [score, score], k=None), [2 / 3, 0.0])


def test_signed_scores_rank_by_value():
    x, y = np.array([3.0, -9.0, 2.0, 0.0]), np.array([1.0, 8.0, 5.0, 7.0])
    assert top_k_overlap(x, y, k=2) == 0.5  # {1, 0} and {1, 3}
    assert top_k_overlap(x, y, k=2, absolute=False) == 0.0  # {0, 2} and {1, 3}
    # Zero is a score like any other where only the order counts
    assert top_k_overlap(x, y, k=3, absolute=False) == pytest.approx(2 / 3)  # {0, 2, 3} and {1, 3, 2}


def test_what_was_not_tested_is_never_on_top():
    x, y = [np.nan, 3.0, 2.0, 1.0], [9.0, np.nan, 2.0, 1.0]
    assert top_k_overlap(x, y, k=2) == 0.5  # {1, 2} and {0, 2}
    assert top_k_overlap(x, y, k=None) == pytest.approx(2 / 3)  # {1, 2, 3} and {0, 2, 3}
    assert top_k_jaccard(x, y, k=4) == 0.5
    assert precision_at_k(x, [True, False, True, True], k=4) == pytest.approx(2 / 3)
    assert top_k_overlap(x, np.full(4, np.nan), k=2, absolute=False) == 0.0
    assert np.isnan(top_k_overlap(np.full(4, np.nan), x, absolute=False))


def test_jaccard_against_an_oracle():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 50))
    expected = [
        jaccard_score(*(np.abs(row) >= np.sort(np.abs(row))[-10] for row in rows)) for rows in zip(x, y, strict=True)
    ]
    np.testing.assert_allclose(top_k_jaccard(x, y, k=10), expected)


def test_precision_and_the_share_of_hits_count_the_same_genes():
    rng = np.random.default_rng(0)
    score, mask = rng.normal(size=(4, 40)), rng.random((4, 40)) < 0.3
    np.testing.assert_allclose(precision_at_k(score, mask, k=8) * 8, hits_at_n(score, mask, 8) * mask.sum(axis=1))
    assert isinstance(precision_at_k(score[0], mask[0]), float)


@settings(max_examples=50, deadline=None)
@given(
    x=arrays(np.float64, 8, elements=st.floats(-10, 10, width=16)),
    y=arrays(np.float64, 8, elements=st.floats(-10, 10, width=16)),
    k=st.integers(1, 12),
)
def test_properties(x, y, k):
    same = top_k_overlap(x, x, k=k)
    assert same == 1 or (np.isnan(same) and not x.any())
    np.testing.assert_equal(top_k_jaccard(x, y, k=k), top_k_jaccard(y, x, k=k))
    overlap, jaccard = (metric(x, y, k=k, absolute=False) for metric in (top_k_overlap, top_k_jaccard))
    assert jaccard == pytest.approx(overlap / (2 - overlap))


def exact(n_both, n_first, n_second, n_genes):
    ways = sum(
        math.comb(n_first, i) * math.comb(n_genes - n_first, n_second - i)
        for i in range(n_both, min(n_first, n_second) + 1)
    )
    return Fraction(ways, math.comb(n_genes, n_second))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 20), (3, 10, 8, 60), (0, 5, 5, 10), (5, 5, 5, 5), (2, 6, 6, 10)])
def test_p_of_an_overlap_is_exact(sizes):
    value = overlap_log_pval(*sizes[:3], n_genes=sizes[3])
    assert isinstance(value, float)
    assert value == pytest.approx(math.log(exact(*sizes)), rel=1e-9, abs=1e-12)


def test_p_of_an_overlap_does_not_underflow():
    value = overlap_log_pval(400, 500, 500, n_genes=15000)
    p = exact(400, 500, 500, 15000)
    expected = math.log(p.numerator) - math.log(p.denominator)
    assert expected < -900
    assert value == pytest.approx(expected, rel=1e-9)


def test_p_of_an_overlap_of_random_sets_is_uniform():
    rng = np.random.default_rng(0)
    both = [np.intersect1d(rng.choice(2000, 400, replace=False), np.arange(500)).size for _ in range(2000)]
    p = np.exp(overlap_log_pval(np.array(both), 400, 500, n_genes=2000))
    for level in (0.05, 0.2, 0.5):
        # Discrete, so that it falls below a level a little less often than the level says
        assert level - 0.06 < (p <= level).mean() < level + 3 * np.sqrt(level * (1 - level) / 2000)


def test_bad_input():
    for metric in (top_k_overlap, top_k_jaccard):
        with pytest.raises(ValueError, match="same genes"):
            metric(np.ones(3), np.ones(4))
        with pytest.raises(ValueError, match="conditions x genes"):
            metric(np.ones((2, 2, 2)), np.ones((2, 2, 2)))
        with pytest.raises(ValueError, match="`k` must be"):
            metric([1.0], [1.0], k=0)
    with pytest.raises(ValueError, match="boolean"):
        precision_at_k([1.0], [1.0])
    with pytest.raises(ValueError, match="`k` must be"):
        precision_at_k([1.0], [True], k=0)
    for sizes in [(3, 2, 5, 10), (0, 8, 8, 10), (1, 11, 2, 10), (-1, 2, 2, 10)]:
        with pytest.raises(ValueError, match="cannot share"):
            overlap_log_pval(*sizes[:3], n_genes=sizes[3])
