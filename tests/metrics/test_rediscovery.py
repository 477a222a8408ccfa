from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from scpi.metrics import lfc_spearman, roc_auc, significant_overlap


@pytest.fixture
def tested():
    """Effects, scores and significance of 60 genes in four conditions."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=(4, 60))
    predicted = real + rng.normal(size=(4, 60))
    return real, predicted, np.abs(real) > 0.8, np.abs(predicted) > [[0.5], [0.8], [1.5], [9.0]]


def test_overlap_is_that_of_sets(tested):
    _, predicted, truth, called = tested
    expected = []
    for effect, own, guessed in zip(predicted, truth, called, strict=True):
        largest = sorted(np.flatnonzero(guessed), key=lambda gene: -abs(effect[gene]))[: own.sum()]
        expected.append(len(set(largest) & set(np.flatnonzero(own))) / own.sum())
    np.testing.assert_allclose(significant_overlap(truth, called, predicted), expected)
    assert expected[3] == 0.0 and min(expected[:3]) > 0.2
    # One condition is a number
    assert significant_overlap(truth[0], called[0], predicted[0]) == pytest.approx(expected[0])


def test_calling_all_genes_does_not_find_all():
    truth = np.arange(10) < 2
    assert significant_overlap(truth, np.ones(10, bool), np.arange(10.0)) == 0.0
    assert significant_overlap(truth, np.ones(10, bool), -np.arange(10.0)[::-1]) == 1.0
    assert significant_overlap(truth, truth & (np.arange(10) < 1), np.ones(10)) == 0.5
    assert np.isnan(significant_overlap(np.zeros(10, bool), truth, np.ones(10)))
    # A gene without an effect comes after those that have one
    assert significant_overlap([True, False], [True, True], [np.nan, 0.0]) == 0.0


def test_rank_correlation_is_that_of_scipy(tested):
    real, predicted, truth, _ = tested
    expected = [stats.spearmanr(a[own], b[own])[0] for a, b, own in zip(real, predicted, truth, strict=True)]
    np.testing.assert_allclose(lfc_spearman(real, predicted, truth), expected)
    assert np.isnan(lfc_spearman(real[0], predicted[0], truth[0], min_genes=61))
    assert np.isnan(lfc_spearman(real[0], np.zeros(60), truth[0]))


def test_what_is_not_finite_is_no_change_or_left_out():
    found = lfc_spearman([1.0, 2.0, np.nan, -1.0], [5.0, np.inf, 3.0, -1.0], [True] * 4, min_genes=3)
    assert found == pytest.approx(stats.spearmanr([1.0, 2.0, -1.0], [5.0, 0.0, -1.0])[0])


def test_area_is_that_of_scikit_learn(tested):
    _, predicted, truth, _ = tested
    score = np.round(predicted, 1)  # with equal ones
    expected = [roc_auc_score(own, np.abs(row)) for own, row in zip(truth, score, strict=True)]
    np.testing.assert_allclose(roc_auc(score, truth), expected)
    assert np.isnan(roc_auc(score[0], np.zeros(60, bool)))
    assert np.isnan(roc_auc(score[0], np.ones(60, bool)))
    assert roc_auc([np.nan, 0.0, np.inf], [False, True, True]) == 1.0


@given(st.integers(0, 2**32 - 1))
def test_a_score_that_is_mirrored_has_the_rest_of_the_area(seed):
    rng = np.random.default_rng(seed)
    score, truth = rng.integers(0, 9, 20).astype(float), np.arange(20) < 7
    assert roc_auc(score, truth) + roc_auc(9.0 - score, truth) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: significant_overlap([True], [True, False], [1.0, 2.0]), r"`significant` must be boolean and of shape"),
        (lambda: significant_overlap([True, False], [1, 0], [1.0, 2.0]), r"`predicted_significant` must be boolean"),
        (lambda: lfc_spearman([1.0], [1.0, 2.0], [True]), "they must be of the same genes"),
        (lambda: lfc_spearman([1.0], [1.0], [True], min_genes=1), "`min_genes` must be at least 2, but is 1"),
        (lambda: roc_auc([1.0, 2.0], [True]), r"`significant` must be boolean and of shape \(2,\)"),
        (lambda: roc_auc([], []), "`score` must be a vector of genes"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
