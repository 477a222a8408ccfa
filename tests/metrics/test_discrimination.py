from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from scpi.metrics import centroid_accuracy, perturbation_discrimination

CHANGES = arrays(np.float64, (5, 4), elements=st.integers(-5, 5).map(float))
METRICS = {"cosine": "cosine", "l1": "cityblock", "l2": "euclidean"}


def by_hand(real, predicted, metric):
    """The rank of the own change, counted one by one."""
    distances = cdist(predicted, real, METRICS[metric])
    values = []
    for i, row in enumerate(distances):
        others = np.delete(row, i)
        values.append(np.mean((others > row[i]) + 0.5 * (others == row[i])))
    return np.array(values)


@pytest.fixture
def changes():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(8, 20))
    return real, 0.3 * real + rng.normal(size=real.shape)


@pytest.mark.parametrize("metric", METRICS)
def test_against_counting(metric, changes):
    np.testing.assert_allclose(perturbation_discrimination(*changes, metric=metric), by_hand(*changes, metric))


def test_in_one_dimension_by_hand():
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    # Nearest to its own; farther than one; farther than two; farther than all
    predicted = np.array([[0.1], [0.3], [0.4], [0.0]])
    expected = [1.0, 2 / 3, 1 / 3, 0.0]
    for metric in ("l1", "l2"):
        np.testing.assert_allclose(perturbation_discrimination(real, predicted, metric=metric), expected)
    np.testing.assert_allclose(centroid_accuracy(real, predicted), expected)


@pytest.mark.parametrize("metric", METRICS)
def test_no_information_scores_one_half(metric, changes):
    real, predicted = changes
    one_for_all = np.tile(predicted[0], (8, 1))
    assert perturbation_discrimination(real, one_for_all, metric=metric).mean() == pytest.approx(0.5)
    shuffled = [
        perturbation_discrimination(real, np.random.default_rng(seed).normal(size=real.shape), metric=metric).mean()
        for seed in range(200)
    ]
    assert np.mean(shuffled) == pytest.approx(0.5, abs=4 * np.std(shuffled) / np.sqrt(200))
    np.testing.assert_array_equal(perturbation_discrimination(real, real, metric=metric), 1)


def test_no_change_has_no_direction(changes):
    real, _ = changes
    np.testing.assert_array_equal(perturbation_discrimination(real, np.zeros_like(real)), 0.5)


def test_ties_share_a_rank_but_are_no_farther_centroid():
    real, predicted = [[1.0], [1.0], [5.0]], [[1.0], [1.0], [5.0]]
    np.testing.assert_allclose(perturbation_discrimination(real, predicted, metric="l1"), [0.75, 0.75, 1.0])
    np.testing.assert_allclose(centroid_accuracy(real, predicted), [0.5, 0.5, 1.0])


def test_centroids_may_be_of_expression_or_change(changes):
    real, predicted = changes
    control = np.random.default_rng(1).exponential(5, size=20)
    np.testing.assert_allclose(
        centroid_accuracy(real + control, predicted + control), centroid_accuracy(real, predicted)
    )


@pytest.mark.parametrize("metric", METRICS)
def test_excluded_genes_are_as_if_not_there(metric, changes):
    real, predicted = changes
    genes = np.arange(20) < 8
    expected = perturbation_discrimination(real[:, 8:], predicted[:, 8:], metric=metric)
    np.testing.assert_array_equal(perturbation_discrimination(real, predicted, metric=metric, exclude=genes), expected)
    everywhere = np.tile(genes, (8, 1))
    np.testing.assert_array_equal(
        perturbation_discrimination(real, predicted, metric=metric, exclude=everywhere), expected
    )
    one = np.zeros_like(everywhere)
    one[3, 5] = True
    values = perturbation_discrimination(real, predicted, metric=metric, exclude=one)
    np.testing.assert_allclose(np.delete(values, 3), np.delete(by_hand(real, predicted, metric), 3))
    left = by_hand(np.delete(real, 5, axis=1), np.delete(predicted, 5, axis=1), metric)
    assert values[3] == pytest.approx(left[3])


def test_raising_the_targets_of_others_pays_where_only_the_own_is_excluded():
    # Each perturbation lowers its own gene, the first ones; the prediction knows the list of targets and nothing else
    rng = np.random.default_rng(2)
    own = np.eye(20, 60, dtype=bool)
    real = rng.normal(0, 0.3, size=(20, 60)) - 5.0 * own
    spiked = np.where(own, 0.0, 1.0) * (np.arange(60) < 20)
    assert perturbation_discrimination(real, spiked, exclude=own).mean() > 0.9
    targets = np.arange(60) < 20
    assert perturbation_discrimination(real, spiked, exclude=targets).mean() == 0.5


def test_others_are_further_candidates(changes):
    real, predicted = changes
    together = perturbation_discrimination(real, predicted)
    parts = perturbation_discrimination(real[:3], predicted[:3], others=real[3:])
    np.testing.assert_allclose(parts, together[:3])
    np.testing.assert_allclose(
        centroid_accuracy(real[:1], predicted[:1], others=real[1:]), centroid_accuracy(*changes)[:1]
    )


@settings(max_examples=50, deadline=None)
@given(real=CHANGES, predicted=CHANGES, order=st.permutations(range(5)))
def test_properties(real, predicted, order):
    for metric in METRICS:
        values = perturbation_discrimination(real, predicted, metric=metric)
        assert ((values >= 0) & (values <= 1)).all()
    l2 = perturbation_discrimination(real, predicted, metric="l2")
    assert (centroid_accuracy(real, predicted) <= l2).all()
    np.testing.assert_allclose(perturbation_discrimination(real[order], predicted[order], metric="l2"), l2[order])


def test_bad_input(changes):
    real, predicted = changes
    with pytest.raises(ValueError, match="'cosine', 'l1', 'l2', but is 'l3'"):
        perturbation_discrimination(real, predicted, metric="l3")
    for metric in (perturbation_discrimination, centroid_accuracy):
        with pytest.raises(ValueError, match="give conditions x genes"):
            metric(real[0], predicted[0])
        with pytest.raises(ValueError, match="only one condition"):
            metric(real[:1], predicted[:1])
        with pytest.raises(ValueError, match="boolean vector of genes"):
            metric(real, predicted, exclude=np.zeros(20))
        with pytest.raises(ValueError, match="leaves no gene"):
            metric(real, predicted, exclude=np.ones((8, 20), dtype=bool))
        with pytest.raises(ValueError, match="`others` must be finite"):
            metric(real, predicted, others=real[:, 1:])
        with pytest.raises(ValueError, match="same genes"):
            metric(real, predicted[:, 1:])


def test_genes_to_leave_out_may_be_held_as_objects():
    rng = np.random.default_rng(0)
    real, predicted, exclude = rng.normal(size=(4, 6)), rng.normal(size=(4, 6)), np.arange(6) < 2
    found = perturbation_discrimination(real, predicted, exclude=exclude.astype(object))
    np.testing.assert_array_equal(found, perturbation_discrimination(real, predicted, exclude=exclude))
