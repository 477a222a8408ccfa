"""Effects in each context."""

from __future__ import annotations

import numpy as np

from scpi.model.base.effects._spread import Spread
from scpi.model.base.prediction._profiles import Profiles
from scpi.model.perturbation_gp._context_effects import context_effects, perturbation_errors

DESIGN = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def profiles():
    control = np.array([[1.0, 2.0], [5.0, 5.0], [3.0, 3.0]])
    # A, B and both in the first context, A alone in the last
    changes = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 2.0], [4.0, 4.0]])
    context = np.array([0, 0, 0, 2])
    return Profiles(control, control[context] + changes, context, DESIGN, np.array([10, 10, 10, 20]))


def test_each_context_has_effects_of_its_own():
    found = context_effects(profiles(), None, {}, np.array([0, -1]))
    assert found.perturbation.tolist() == [0, 1, 0]
    assert found.context.tolist() == [0, 0, 2]
    np.testing.assert_allclose(found.effects, [[1, 0], [0, 2], [4, 4]], atol=1e-12)
    assert not found.errors.any()
    np.testing.assert_array_equal(found.control, profiles().control)


def test_standard_errors_are_those_of_a_context_alone():
    spread = Spread(np.full((3, 2), 4.0), np.full((4, 2), 9.0), np.ones(2), np.array([40, 40, 80]))
    found = context_effects(profiles(), spread, {}, np.array([-1, -1]))
    # One condition against its controls
    np.testing.assert_allclose(found.errors[2], np.sqrt(9.0 / 20 + 4.0 / 80))
    alone = profiles()._replace(
        treated=profiles().treated[:3], context=np.zeros(3, dtype=int), design=DESIGN[:3], n_cells=np.full(3, 10)
    )
    np.testing.assert_allclose(
        found.errors[:2], perturbation_errors(alone, spread._replace(treated=spread.treated[:3]))
    )
