from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from scpi.model.perturbation_gp._combinations import learn_power, scale_members


def planted(power, *, orders=(1, 2), n=6, noise=0.01):
    rng = np.random.default_rng(0)
    design = np.array(
        [[name in some for name in range(n)] for k in orders for some in combinations(range(n), k)], float
    )
    effects = rng.normal(size=(n, 300)) + 1.0
    changes = scale_members(design, power) @ effects
    return design, changes + noise * rng.normal(size=changes.shape), np.full(len(design), 50)


@pytest.mark.parametrize("power", [-1.0, -0.5, 0.0, 0.3])
@pytest.mark.parametrize("orders", [(1, 2), (1, 2, 3)])
def test_the_power_is_found(power, orders):
    np.testing.assert_allclose(learn_power(*planted(power, orders=orders)), power, atol=0.01)


def test_doses_count():
    design, _, n_cells = planted(-0.5)
    design *= 2.0
    changes = scale_members(design, -0.5) @ np.random.default_rng(1).normal(size=(6, 50))
    np.testing.assert_allclose(learn_power(design, changes, n_cells), -0.5, atol=1e-3)


def test_effects_add_up_where_nothing_is_known_of_combinations():
    design, changes, n_cells = planted(-0.5)
    few = np.arange(10)
    assert learn_power(design[few], changes[few], n_cells[few]) == 0
    # Without the single perturbations
    assert learn_power(design[6:], changes[6:], n_cells[6:]) == 0


def test_doses_are_scaled_by_the_number_of_members():
    np.testing.assert_allclose(
        scale_members(np.array([[1.0, 0, 0], [2.0, 2.0, 0], [0, 0, 0]]), -1.0), [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    )
    np.testing.assert_allclose(scale_members(np.array([1.0, 1.0]), 0.5), np.sqrt(2))
