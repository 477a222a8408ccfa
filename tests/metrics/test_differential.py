from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, jaccard_score

from scpi.metrics import direction_fidelity, direction_reach, lfc_nmae, pr_auc, significant_jaccard, top_k_overlap

EFFECTS = arrays(np.float64, 8, elements=st.integers(-4, 4).map(float))
MASKS = arrays(np.bool_, 8)
YES, NO = True, False


@pytest.fixture
def tests():
    """Effects and calls in real and predicted cells, conditions x genes."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(5, 60))
    predicted = 0.7 * real + rng.normal(size=real.shape)
    return real, predicted, rng.random(real.shape) < 0.4, rng.random(real.shape) < 0.3


def test_rows_are_conditions(tests):
    real, predicted, truth, called = tests
    for rows, singles in (
        (significant_jaccard(truth, called), map(significant_jaccard, truth, called)),
        (
            direction_fidelity(real, predicted, truth, predicted_significant=called),
            (direction_fidelity(*row[:3], predicted_significant=row[3]) for row in zip(*tests, strict=True)),
        ),
        (direction_reach(real, predicted, truth), map(direction_reach, real, predicted, truth)),
        (lfc_nmae(real, predicted, truth), map(lfc_nmae, real, predicted, truth)),
        (pr_auc(real, predicted, truth), map(pr_auc, real, predicted, truth)),
    ):
        singles = list(singles)
        assert all(isinstance(value, float) for value in singles)
        np.testing.assert_allclose(rows, singles)


# --- sets


def test_jaccard_against_an_oracle(tests):
    *_, truth, called = tests
    expected = [jaccard_score(x, y) for x, y in zip(truth, called, strict=True)]
    np.testing.assert_allclose(significant_jaccard(truth, called), expected)


def test_two_empty_sets_agree():
    assert significant_jaccard([NO, NO], [NO, NO]) == 1
    assert significant_jaccard([NO, NO], [YES, NO]) == 0
    assert significant_jaccard([YES, NO], [NO, NO]) == 0


# --- directions


def test_fidelity_by_hand():
    real = np.array([1.0, 1.0, -1.0, -1.0, 2.0, 0.0])
    predicted = np.array([1.0, -1.0, -1.0, 0.0, 1.0, 1.0])
    truth = np.array([YES, YES, YES, YES, NO, NO])
    # Two of three calls are right, and there should have been four
    called = np.array([YES, YES, YES, NO, NO, NO])
    assert direction_fidelity(real, predicted, truth, predicted_significant=called) == 0.5
    # A call of a gene that is not significant may be right; one without a direction is wrong; the last has no truth
    called = np.array([YES, YES, YES, YES, YES, YES])
    assert direction_fidelity(real, predicted, truth, predicted_significant=called) == pytest.approx(3 / 5)
    nothing = np.zeros(6, dtype=bool)
    assert direction_fidelity(real, predicted, truth, predicted_significant=nothing) == 0
    assert np.isnan(direction_fidelity(real, predicted, nothing, predicted_significant=called))
    predicted[0] = np.nan
    assert direction_fidelity(real, predicted, truth, predicted_significant=called) == pytest.approx(2 / 5)


def test_reach_by_hand():
    real = np.ones(20)
    predicted = np.linspace(4, 1, 20)
    predicted[[2, 12]] *= -1  # the third and the thirteenth are wrong: 9 of 10, 11 of 12, but 11 of 13 and 18 of 20
    assert direction_reach(real, predicted, np.ones(20, dtype=bool)) == 1.0
    predicted[15] *= -1
    assert direction_reach(real, predicted, np.ones(20, dtype=bool)) == 12 / 20
    assert direction_reach(real, predicted, np.ones(20, dtype=bool), purity=1.0) == 2 / 20
    assert direction_reach(real, -np.abs(predicted), np.ones(20, dtype=bool)) == 0


def test_reach_takes_the_order_of_the_score_and_then_of_the_effect():
    real, predicted, truth = np.ones(4), np.array([-1.0, 2.0, 3.0, 9.0]), np.array([YES, YES, YES, NO])
    assert direction_reach(real, predicted, truth, purity=1.0) == pytest.approx(2 / 3)
    assert direction_reach(real, predicted, truth, score=[9.0, 1.0, 1.0, 0.0], purity=1.0) == 0
    assert direction_reach(real, predicted, truth, score=[1.0, 1.0, 1.0, 1.0], purity=1.0) == pytest.approx(2 / 3)
    assert direction_reach(real, predicted, truth, score=[np.nan, 0.0, -5.0, 1.0], purity=1.0) == pytest.approx(2 / 3)
    # The gene without a real direction is not among the three that count
    assert direction_reach([np.nan, 1.0, 1.0, 1.0], predicted, np.ones(4, dtype=bool), purity=1.0) == 1.0
    assert np.isnan(direction_reach(real, predicted, np.zeros(4, dtype=bool)))


# --- sizes


def test_nmae_by_hand():
    real, predicted = np.array([2.0, -1.0, 1.0, 5.0]), np.array([1.0, -2.0, 4.0, -5.0])
    truth = np.array([YES, YES, YES, NO])
    assert lfc_nmae(real, predicted, truth, min_genes=3) == pytest.approx(5 / 4)
    assert np.isnan(lfc_nmae(real, predicted, truth, min_genes=4))
    assert np.isnan(lfc_nmae(real, predicted, truth))
    assert lfc_nmae(real, 0 * real, truth, min_genes=1) == 1
    assert lfc_nmae(real, [np.nan, np.inf, -np.inf, np.nan], truth, min_genes=1) == 1
    assert lfc_nmae([2.0, np.nan, np.inf, 5.0], [1.0, 0.0, 0.0, 0.0], truth, min_genes=1) == 0.5
    assert np.isnan(lfc_nmae(0 * real, predicted, truth, min_genes=1))


# --- rankings


def test_pr_auc_against_an_oracle(tests):
    real, score, truth, _ = tests
    score = score.round(1)  # with ties
    up = [average_precision_score(t & (x > 0), s) for x, s, t in zip(real, score, truth, strict=True)]
    down = [average_precision_score(t & (x < 0), -s) for x, s, t in zip(real, score, truth, strict=True)]
    np.testing.assert_allclose(pr_auc(real, score, truth, direction="up"), up)
    np.testing.assert_allclose(pr_auc(real, score, truth, direction="down"), down)
    np.testing.assert_allclose(pr_auc(real, score, truth), np.mean([up, down], axis=0))


def test_pr_auc_by_hand():
    real, truth = np.array([1.0, 1.0, -1.0, 0.5]), np.array([YES, YES, YES, NO])
    assert pr_auc(real, [3.0, 2.0, -1.0, 0.0], truth) == 1
    # Up: ranks 1 and 4, precision 1 and 1/2. Down: rank 3, precision 1/3
    assert pr_auc(real, [3.0, -2.0, 0.0, -1.0], truth) == pytest.approx((0.75 + 1 / 3) / 2)
    # A gene without a score comes last, in both directions
    assert pr_auc(real, [3.0, np.nan, np.nan, 0.0], truth) == pytest.approx(((1 + 0.5) / 2 + 0.25) / 2)
    upwards = np.array([YES, YES, NO, NO])
    assert pr_auc(real, [3.0, 2.0, -1.0, 0.0], upwards) == 1
    assert np.isnan(pr_auc(real, [3.0, 2.0, -1.0, 0.0], upwards, direction="down"))
    assert np.isnan(pr_auc(real, real, np.zeros(4, dtype=bool)))


def test_a_gene_found_with_the_wrong_sign_is_not_found():
    rng = np.random.default_rng(1)
    real = rng.normal(size=400)
    truth = np.abs(real) > 1
    assert pr_auc(real, real, truth) == 1
    assert pr_auc(real, -real, truth) < truth.mean() / 2


def test_common_genes_are_an_overlap_of_the_first_by_score():
    real, predicted = np.array([5.0, 4.0, 3.0, -9.0]), np.array([1.0, 8.0, -9.0, -9.0])
    assert top_k_overlap(real, predicted, k=2, absolute=False) == 1.0  # the strongest fall is not among them
    assert top_k_overlap(real, predicted, k=2) == 0.5


# --- all


@settings(max_examples=60, deadline=None)
@given(real=EFFECTS, predicted=EFFECTS, truth=MASKS, called=MASKS)
def test_properties(real, predicted, truth, called):
    values = [
        significant_jaccard(truth, called),
        direction_fidelity(real, predicted, truth, predicted_significant=called),
        direction_reach(real, predicted, truth),
        pr_auc(real, predicted, truth),
    ]
    assert all(0 <= value <= 1 or np.isnan(value) for value in values)
    assert significant_jaccard(truth, called) == significant_jaccard(called, truth)
    # What is missing depends on the real cells alone
    other = np.roll(predicted, 3)
    assert np.isnan(values[1]) == (not truth.any())
    for metric in (direction_reach, pr_auc, lfc_nmae):
        assert np.isnan(metric(real, predicted, truth)) == np.isnan(metric(real, other, truth))
    # Turning all signs around changes nothing
    np.testing.assert_allclose(
        values[1:],
        [
            direction_fidelity(-real, -predicted, truth, predicted_significant=called),
            direction_reach(-real, -predicted, truth),
            pr_auc(-real, -predicted, truth),
        ],
    )
    assert direction_reach(real, real, truth) in (1.0, pytest.approx(np.nan, nan_ok=True))
    assert pr_auc(real, real, real != 0) in (1.0, pytest.approx(np.nan, nan_ok=True))
    assert lfc_nmae(2.0 * real, 2.0 * predicted, truth, min_genes=1) == pytest.approx(
        lfc_nmae(real, predicted, truth, min_genes=1), nan_ok=True
    )


def test_bad_input():
    effects, mask = np.ones(3), np.ones(3, dtype=bool)
    metrics = [direction_reach, lfc_nmae, pr_auc]
    metrics.append(lambda *args: direction_fidelity(*args, predicted_significant=mask))
    for metric in metrics:
        with pytest.raises(ValueError, match="same genes"):
            metric(effects, np.ones(4), mask)
        with pytest.raises(ValueError, match=r"`significant` must be boolean and of shape \(3,\), but is float64"):
            metric(effects, effects, effects)
        with pytest.raises(ValueError, match="vector of genes or conditions x genes"):
            metric(np.ones((1, 1, 3)), effects, mask)
    with pytest.raises(ValueError, match="`predicted_significant` must be boolean"):
        direction_fidelity(effects, effects, mask, predicted_significant=[1, 0, 1])
    with pytest.raises(ValueError, match="`real` must be boolean"):
        significant_jaccard([0.01, 0.5], [YES, NO])
    with pytest.raises(ValueError, match=r"`predicted` must be boolean and of shape \(2,\)"):
        significant_jaccard([YES, NO], [YES])
    with pytest.raises(ValueError, match="`real` must be a vector"):
        significant_jaccard(YES, YES)
    with pytest.raises(ValueError, match="`purity` must be above 0"):
        direction_reach(effects, effects, mask, purity=0)
    with pytest.raises(ValueError, match="`min_genes` must be at least 1"):
        lfc_nmae(effects, effects, mask, min_genes=0)
    with pytest.raises(ValueError, match="'both', 'up', 'down', but is 'left'"):
        pr_auc(effects, effects, mask, direction="left")
