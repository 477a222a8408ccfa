from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.model.base.effects._spread import take_spread
from scpi.model.base.prediction._profiles import take_profiles


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_variances_of_groups_are_moderated_by_that_of_all(kind):
    rng = np.random.default_rng(3)
    groups = {(0, 0): 9, (0, 1): 4, (0, 2): 5, (1, 1): 1, (2, 0): 6}
    context, condition = np.repeat(list(groups), list(groups.values()), axis=0).T
    values = rng.poisson(2.0, size=(25, 4)).astype(np.float32)
    cells = rng.permutation(40)[:25]
    x = np.zeros((40, 4), dtype=np.float32)
    x[cells] = values
    what = {"condition": condition, "context": context, "is_control": condition == 0}
    profiles = take_profiles(kind(x), cells, design=np.array([[0.0], [1.0], [2.0]]), n_contexts=3, **what)
    found = take_spread(kind(x), cells, profiles, **what)
    residual = {
        key: ((own - own.mean(0)) ** 2).sum(0)
        for key in groups
        for own in [values[(context == key[0]) & (condition == key[1])].astype(float)]
    }
    pooled = sum(residual.values()) / (25 - 5)
    np.testing.assert_allclose(found.pooled, pooled, rtol=1e-6)
    assert found.n_control.tolist() == [9, 0, 6]
    for rows, keys in ((found.control[[0, 2]], [(0, 0), (2, 0)]), (found.treated, [(0, 1), (0, 2), (1, 1)])):
        expected = [(residual[key] + 4 * pooled) / (groups[key] - 1 + 4) for key in keys]
        np.testing.assert_allclose(rows, expected, rtol=1e-6)
    # What no cell tells of has the variance of all
    np.testing.assert_allclose(found.control[1], pooled, rtol=1e-6)
    np.testing.assert_allclose(found.treated[2], pooled, rtol=1e-6)


def test_of_single_cells_it_is_not_known():
    what = {"condition": np.arange(2), "context": np.zeros(2, dtype=int), "is_control": np.array([True, False])}
    x = np.array([[1.0, 0.0], [3.0, 2.0]])
    profiles = take_profiles(x, np.arange(2), design=np.array([[0.0], [1.0]]), n_contexts=1, **what)
    assert take_spread(x, np.arange(2), profiles, **what).pooled.tolist() == [0.0, 0.0]
