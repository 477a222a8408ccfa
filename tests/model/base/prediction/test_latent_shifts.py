"""Shifts in a latent space that is the space of the genes, turned: what baselines know to do there in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from scpi.model.base.effects._regression import chosen_ridge_weights, least_squares_weights, ridge_weights
from scpi.model.base.prediction._latent_shifts import largest_dose, measured_shifts
from scpi.model.base.prediction._profiles import Profiles, take_profiles

RNG = np.random.default_rng(0)
NAN = np.full(2, np.nan)


def profiles(control, treated, context, design):
    arrays = [np.asarray(values, dtype=float) for values in (control, treated, design)]
    return Profiles(arrays[0], arrays[1], np.asarray(context), arrays[2], np.ones(len(context), dtype=int))


class TestMeasuredShifts:
    def test_contexts_with_both_arms_count(self):
        kept = profiles([[1, 1], [2, 0], NAN], [[4, 1], [9, 9]], [0, 2], [[1], [1]])
        found = measured_shifts(kept, np.array([1.0]), allowed=np.ones(3, dtype=bool))
        np.testing.assert_array_equal(found.controls, [[1, 1]])
        np.testing.assert_array_equal(found.changes, [[3, 0]])

    def test_without_a_context_that_has_both_the_other_controls_stand_in(self):
        kept = profiles([[1, 1], [3, 1], NAN], [[9, 9]], [2], [[1]])
        found = measured_shifts(kept, np.array([1.0]), allowed=np.ones(3, dtype=bool))
        np.testing.assert_array_equal(found.changes, [[7, 8]])

    def test_only_allowed_contexts_count(self):
        kept = profiles([[0, 0], [1, 1]], [[1, 0], [5, 5]], [0, 1], [[1], [1]])
        found = measured_shifts(kept, np.array([1.0]), allowed=np.array([False, True]))
        np.testing.assert_array_equal(found.changes, [[4, 4]])
        assert measured_shifts(kept, np.array([1.0]), allowed=np.zeros(2, dtype=bool)) is None

    def test_between_doses_shifts_are_linear_in_log1p(self):
        kept = profiles([[0, 0]], [[1, 2], [3, 8]], [0, 0], [[1], [7]])
        half = np.exp((np.log(2) + np.log(8)) / 2) - 1
        for dose, expected in {1: [1, 2], 7: [3, 8], half: [2, 5], 50: [3, 8], np.sqrt(2) - 1: [0.5, 1]}.items():
            found = measured_shifts(kept, np.array([dose]), allowed=np.ones(1, dtype=bool))
            np.testing.assert_allclose(found.changes, [expected])
        assert largest_dose(kept, np.array([0.1])) == 7

    def test_a_combination_that_was_not_measured_has_none(self):
        kept = profiles([[0, 0]], [[1, 2]], [0], [[1, 0]])
        assert measured_shifts(kept, np.array([1.0, 1.0]), allowed=np.ones(1, dtype=bool)) is None
        assert largest_dose(kept, np.array([1.0, 1.0])) == 0


def test_the_mean_over_contexts_is_what_resampling_gives_on_average():
    """Published: draw each context up to the size of the largest, with replacement, then take the mean of all."""
    rng = np.random.default_rng(0)
    sizes, z = [3, 20, 8], rng.normal(size=(31, 4))
    context = np.repeat([0, 1, 2], sizes)
    z += context[:, None]
    drawn = []
    for _ in range(4000):
        cells = np.concatenate([rng.choice(np.flatnonzero(context == k), max(sizes)) for k in range(3)])
        drawn.append(z[cells].mean(0))
    kept = take_profiles(
        np.vstack([z, z]),
        np.arange(62),
        condition=np.repeat([0, 1], 31),
        context=np.tile(context, 2),
        is_control=np.repeat([True, False], 31),
        design=np.array([[0.0], [1.0]]),
        n_contexts=3,
    )
    error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    assert (np.abs(np.mean(drawn, axis=0) - kept.balanced_control()) < 4 * error).all()
    assert (np.abs(z.mean(0) - kept.balanced_control()) > 20 * error).all()


class TestRegression:
    @pytest.mark.parametrize(("n", "p"), [(4, 10), (6, 100), (12, 5)])
    def test_least_squares_are_those_of_numpy_and_scikit_learn(self, n, p):
        controls, changes, control = RNG.normal(size=(n, p)), RNG.normal(size=(n, 3)), RNG.normal(size=p)
        found = least_squares_weights(controls, control) @ changes
        centred = controls - controls.mean(0)
        solution = np.linalg.lstsq(centred, changes - changes.mean(0), rcond=None)[0]
        np.testing.assert_allclose(found, changes.mean(0) + (control - controls.mean(0)) @ solution, atol=1e-10)
        expected = LinearRegression().fit(controls, changes).predict(control[None])[0]
        np.testing.assert_allclose(found, expected, atol=1e-10)
        assert least_squares_weights(controls, control).sum() == pytest.approx(1)

    def test_a_known_context_has_its_own_change(self):
        controls, changes = RNG.normal(size=(5, 20)), RNG.normal(size=(5, 3))
        np.testing.assert_allclose(least_squares_weights(controls, controls[2]) @ changes, changes[2], atol=1e-10)

    def test_ridge_is_that_of_scikit_learn_at_the_best_penalty(self):
        controls, control = RNG.normal(size=(6, 9)), RNG.normal(size=9)
        changes = controls @ RNG.normal(size=(9, 4)) + RNG.normal(size=(6, 4))
        centred = controls - controls.mean(0)

        def ridge(train, penalty):
            part = controls[train] - controls[train].mean(0)
            return Ridge(alpha=penalty * np.square(part).sum() / len(part)).fit(controls[train], changes[train])

        penalties = np.logspace(-3, 3, 13)
        left = [np.delete(np.arange(6), k) for k in range(6)]
        errors = [
            sum(np.square(ridge(train, one).predict(controls[[k]]) - changes[k]).sum() for k, train in enumerate(left))
            for one in penalties
        ]
        best = penalties[int(np.argmin(errors))]
        expected = ridge(np.arange(6), best).predict(control[None])[0]
        np.testing.assert_allclose(chosen_ridge_weights(controls, changes, control) @ changes, expected, atol=1e-9)
        np.testing.assert_allclose(
            ridge_weights(controls, control, 1e-9), least_squares_weights(controls, control), atol=1e-5
        )
        assert np.square(centred).sum() > 0

    def test_two_contexts_have_equal_weights(self):
        weights = chosen_ridge_weights(RNG.normal(size=(2, 4)), RNG.normal(size=(2, 4)), RNG.normal(size=4))
        np.testing.assert_array_equal(weights, [0.5, 0.5])
