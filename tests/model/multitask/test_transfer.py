from __future__ import annotations

import numpy as np
import pytest

from scpi.model.base.prediction._profiles import Profiles
from scpi.model.multitask._kriging import Noise, kriged_changes
from scpi.model.multitask._transfer import combine, measured_change

EXACT = Noise(np.full(6, 10.0), np.zeros(1))


def profiles(control, change):
    """One perturbation, measured in every context."""
    n = len(control)
    return Profiles(control, control + change, np.arange(n), np.ones((n, 1)), np.full(n, 10))


def test_a_change_that_all_contexts_have_is_taken_over():
    control = np.log1p(np.array([[1.0, 2.0, 4.0], [2.0, 2.0, 1.0]]))
    kept = profiles(control, np.full((2, 3), 0.5))
    both = measured_change(kept, np.ones(1), control[0], noise=EXACT, allowed=np.ones(2, bool))
    np.testing.assert_allclose(both[0], 0.5)
    # log((expm1(log1p(x) + 0.5) + 0.1) / (x + 0.1)), the mean of both contexts
    ratios = np.log((np.expm1(control + 0.5) + 0.1) / (np.expm1(control) + 0.1))
    np.testing.assert_allclose(both[1], ratios.mean(0))


def test_contexts_that_disagree_shrink_both_parts():
    rng = np.random.default_rng(0)
    control, change = rng.uniform(1, 2, (6, 50)), rng.normal(0, 0.5, (6, 50))
    kept = profiles(control, change)
    both = measured_change(kept, np.ones(1), control[0], noise=EXACT, allowed=np.ones(6, bool))
    assert np.linalg.norm(both[0]) < 0.8 * np.linalg.norm(change.mean(0))


def test_a_condition_that_was_not_measured_has_none():
    control = np.ones((2, 3))
    asked = profiles(control, control), np.ones(1), control[0]
    assert measured_change(*asked, noise=EXACT, allowed=np.zeros(2, bool)) is None


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_than_three_contexts_are_shrunk_by_their_noise(n):
    rng = np.random.default_rng(0)
    control, change = rng.uniform(1, 2, (n, 50)), rng.normal(0, 0.5, (n, 50))
    kept, noise = profiles(control, change), Noise(np.full(n, 10.0), np.array([20.0]))
    asked = {"design": np.ones(1), "control": control[0], "allowed": np.ones(n, bool)}
    exact, found = (measured_change(kept, noise=one, **asked) for one in (EXACT, noise))
    if n == 3:
        np.testing.assert_array_equal(found, exact)
        return
    expected = kriged_changes(kept, np.ones(1), range(n), noise)
    np.testing.assert_allclose(found[0], expected.mean(0))
    np.testing.assert_allclose(
        found[1], np.mean(np.log((np.expm1(control + expected) + 0.1) / (np.expm1(control) + 0.1)), axis=0)
    )
    assert np.linalg.norm(found[0]) < 0.8 * np.linalg.norm(exact[0])


def test_the_mean_of_two_parts_of_one_size():
    control, difference = np.log1p(np.array([0.9, 1.9])), np.array([np.log(2.0), 0.0])
    # Twice the expression plus 0.1 of the second gene alone: it does not point along the difference
    across = combine([difference, np.log([1.0, 2.0])], control, difference, ratios=False)
    np.testing.assert_allclose(across.change, difference / 2)
    assert across.gain == 1.0
    # Threefold of both: the part along the difference becomes as large as it
    fold = np.log1p(np.array([2.9, 5.9])) - control
    both = combine([difference, np.log([3.0, 3.0])], control, 0.25 * difference, ratios=False)
    np.testing.assert_allclose(both.change, (difference + fold * (difference @ fold) / (fold @ fold)) / 2)
    assert both.gain == pytest.approx(4.0)


def test_ratios_are_combined_as_logarithms():
    control = np.log1p(np.array([1.0, 3.0]))
    difference = np.log1p(np.array([2.0, 3.0])) - control
    found = combine([difference, np.log([2.0, 1.0])], control, np.log([2.0, 1.0]), ratios=True)
    # Along the measured ratio of 2.1 / 1.1, not of 2: 0.1 is added
    np.testing.assert_allclose(found.change, np.log([2.1 / 1.1, 1.0]))
    assert found.gain == pytest.approx(1.0)


def test_a_network_that_points_away_or_nowhere():
    control, difference = np.ones(2), np.array([0.5, 0.1])
    assert combine([difference, difference], control, -difference, ratios=False).gain == 0.0
    assert combine([difference, difference], control, np.zeros(2), ratios=False).gain == 1.0


def test_nothing_changes_where_nothing_was_measured_to_change():
    found = combine(np.zeros((2, 3)), np.ones(3), np.array([0.1, 0.0, -0.1]), ratios=False)
    np.testing.assert_allclose(found.change, 0.0, atol=1e-12)
    assert found.gain == 0.0
