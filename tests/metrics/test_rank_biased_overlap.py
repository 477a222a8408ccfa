from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scpi.metrics import rank_biased_overlap


def scores(ranking, items="abcdefghij"):
    """Scores of all items that put `ranking` in its order; a string in a list is a tie."""
    values = np.full(len(items), np.nan)
    for place, tied in enumerate(ranking):
        for item in tied:
            values[items.index(item)] = 100.0 - place
    return values


def rbo(first, second, p=0.9):
    return rank_biased_overlap(scores(first), scores(second), p=p)


def extrapolated(first, second, p):
    """Equation 32 of Webber, Moffat and Zobel, term by term, for rankings without ties."""
    short, long = sorted((list(first), list(second)), key=len)
    s, n = len(short), len(long)
    common = [0] + [len(set(short[:d]) & set(long[:d])) for d in range(1, n + 1)]
    total = sum(common[d] / d * p**d for d in range(1, n + 1))
    total += sum(common[s] * (d - s) / (s * d) * p**d for d in range(s + 1, n + 1))
    return (1 - p) / p * total + ((common[n] - common[s]) / n + common[s] / s) * p**n


def test_by_hand():
    # Agreement 0, 1/2, 2/3 and so on: (1 - p)(A1 + p A2 + p^2 A3) + p^3 A3
    assert rbo("abc", "bdc", p=0.5) == pytest.approx(0.5 * (0 + 0.5 * 0.5 + 0.25 * 2 / 3) + 0.125 * 2 / 3)
    # a, b, c against a alone: the one rank seen agrees, and so do those assumed to come
    assert rbo("abc", "a") == pytest.approx(1.0)
    assert rbo("abc", "b", p=0.5) == pytest.approx(0.5 * (0 + 0.5 * 1 / 2 + 0.25 * 1 / 3) + 0.125 * 1 / 3)


@pytest.mark.parametrize(("first", "second"), [("abcdefg", "gfedcba"), ("abcd", "bacghij"), ("hij", "aihbcj")])
@pytest.mark.parametrize("p", [0.3, 0.9, 0.98])
def test_against_the_published_equation(first, second, p):
    assert rbo(first, second, p) == pytest.approx(extrapolated(first, second, p), rel=1e-12)
    assert rbo(second, first, p) == pytest.approx(extrapolated(first, second, p), rel=1e-12)


def test_ties_share_the_first_of_their_ranks():
    # Sets {a, b} against {a}: 2 * 1 / 3; then {a, b} against {a, b}
    assert rbo(["ab", "c"], "abc", p=0.5) == pytest.approx(0.5 * (2 / 3 + 0.5 + 0.25) + 0.125)
    assert rbo(["ab", "c"], ["ab", "c"]) == pytest.approx(1.0)
    # All tied against all tied agree; against one of many orders they do not, quite
    assert rbo(["abcd"], ["abcd"]) == pytest.approx(1.0)
    assert 0 < rbo(["abcd"], "abcd") < 1


def test_a_tied_ranking_is_the_same_in_whatever_order_its_genes_stand():
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 6, 30).astype(float), rng.normal(size=30)
    mixed = rng.permutation(30)
    assert rank_biased_overlap(x, y) == pytest.approx(rank_biased_overlap(x[mixed], y[mixed]), rel=1e-12)


def test_limits():
    assert rbo("abc", "abc") == pytest.approx(1.0)
    assert rbo("abc", "def") == 0.0
    # Only the first rank counts, or only the common genes do
    assert rbo("abcd", "acbd", p=1e-6) == pytest.approx(1.0, abs=1e-5)
    assert rbo("abcd", "bacd", p=1e-6) == pytest.approx(0.0, abs=1e-5)
    assert rbo("abcd", "dcbe", p=1 - 1e-9) == pytest.approx(3 / 4, abs=1e-6)
    # Random orders of many genes: the expected agreement at depth d is d / n
    n, p = 2000, 0.99
    rng = np.random.default_rng(0)
    values = [rank_biased_overlap(rng.normal(size=n), rng.normal(size=n), p=p) for _ in range(200)]
    assert np.mean(values) == pytest.approx(1 / (1 - p) / n, abs=3 * np.std(values) / np.sqrt(200))


@pytest.mark.parametrize(("p", "depth"), [(0.98, 50), (0.9, 10)])
def test_the_weight_of_the_top(p, depth):
    """Rankings that are the same down to a depth and share nothing below it."""
    x, y = np.full((2, 4000), np.nan)
    x[:2000] = np.arange(2000.0, 0, -1)
    y[:depth] = x[:depth]
    y[2000 : 4000 - depth] = x[depth:2000]
    # Equation 21 of Webber, Moffat and Zobel
    log_sum = np.log(1 / (1 - p)) - sum(p**i / i for i in range(1, depth))
    expected = 1 - p ** (depth - 1) + (1 - p) / p * depth * log_sum
    # What goes on for ever in the equation ends here with an agreement of depth / 2000
    assert rank_biased_overlap(x, y, p=p) == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(0.85, abs=0.007)


def test_zero_has_no_rank_by_size_but_by_value():
    x, y = np.array([2.0, -1.0, 0.0, 0.0]), np.array([-2.0, 1.0, 0.0, 5.0])
    assert rank_biased_overlap(x[:3], y[:3]) == pytest.approx(1.0)
    assert rank_biased_overlap(x[:3], y[:3], absolute=False, p=0.5) < 0.8
    assert np.isnan(rank_biased_overlap(np.zeros(3), [1.0, 2.0, 3.0]))
    assert np.isnan(rank_biased_overlap(np.full(3, np.nan), [1.0, 2.0, 3.0], absolute=False))


@settings(max_examples=80, deadline=None)
@given(
    x=arrays(np.float64, 7, elements=st.sampled_from([np.nan, 1.0, 2.0, 3.0, 4.0, 5.0])),
    y=arrays(np.float64, 7, elements=st.sampled_from([np.nan, 1.0, 2.0, 3.0, 4.0, 5.0])),
    p=st.floats(0.05, 0.99),
)
def test_properties(x, y, p):
    value = rank_biased_overlap(x, y, p=p)
    np.testing.assert_allclose(value, rank_biased_overlap(y, x, p=p), rtol=1e-12)
    if np.isnan(x).all() or np.isnan(y).all():
        assert np.isnan(value)
        return
    assert -1e-12 <= value <= 1 + 1e-12
    assert rank_biased_overlap(x, x, p=p) == pytest.approx(1.0)


def test_rows_and_bad_input():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 20))
    rows = rank_biased_overlap(x, y)
    assert rows.shape == (3,)
    single = rank_biased_overlap(x[1], y[1])
    assert isinstance(single, float)
    assert single == rows[1]
    for p in (0, 1, -0.1):
        with pytest.raises(ValueError, match="`p` must be"):
            rank_biased_overlap(x, y, p=p)
    with pytest.raises(ValueError, match="same genes"):
        rank_biased_overlap(x, y[:, 1:])
