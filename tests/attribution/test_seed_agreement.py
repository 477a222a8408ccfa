"""Units of several trainings."""

from __future__ import annotations

import numpy as np
import pytest

from scpi.attribution import seed_agreement


def test_units_are_found_again_in_any_order_and_sign():
    rng = np.random.default_rng(0)
    units = rng.normal(size=(5, 300))
    runs = []
    orders = []
    for _ in range(3):
        order = rng.permutation(5)
        sign = rng.choice([-1, 1], 5)
        runs.append(sign[:, None] * (units[order] + 0.1 * rng.normal(size=(5, 300))) * rng.uniform(0.5, 9))
        orders.append(order)
    found = seed_agreement(runs)
    assert len(found) == 15
    for row in found.itertuples():
        assert orders[row.first][row.unit_first] == orders[row.second][row.unit_second]
        a, b = runs[row.first][row.unit_first], runs[row.second][row.unit_second]
        np.testing.assert_allclose(row.cosine, a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert (found["cosine"].abs() > 0.95).all()
    assert found["cosine"].min() < 0


def test_noise_does_not_agree_and_an_empty_unit_with_none():
    rng = np.random.default_rng(1)
    runs = [rng.normal(size=(4, 2000)), rng.normal(size=(6, 2000))]
    runs[0][2] = 0.0
    found = seed_agreement(runs)
    assert len(found) == 4
    assert found["cosine"].abs().max() < 0.1
    assert found.loc[found["unit_first"] == 2, "cosine"].tolist() == [0.0]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([np.ones((2, 3))], "two or more tables"),
        ([np.ones((2, 3)), np.ones((2, 4))], "of the same genes"),
        ([np.ones(3), np.ones(3)], "units x genes"),
        ([np.full((2, 3), np.nan)] * 2, "finite"),
    ],
)
def test_bad_input_is_named(runs, message):
    with pytest.raises(ValueError, match=message):
        seed_agreement(runs)
