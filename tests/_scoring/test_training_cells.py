from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._scoring import _training_cells
from scpi._scoring._training_cells import components_of, others_of, perturbed_mean_of

X = np.random.default_rng(0).normal(size=(50, 12)) @ np.diag(np.linspace(3, 0.1, 12))
CELLS = np.arange(10, 50)


@pytest.mark.parametrize("x", [X, sparse.csr_matrix(X)])
def test_components_are_those_of_the_cells(x):
    found = components_of(x.__getitem__, CELLS, 3, ["mmd"])
    expected = np.linalg.svd(X[CELLS] - X[CELLS].mean(0), full_matrices=False)[2][:3]
    np.testing.assert_allclose(np.abs(np.einsum("gc,cg->c", found, expected)), 1.0, rtol=1e-6)


def test_there_are_none_where_none_are_needed():
    assert components_of(X.__getitem__, CELLS, 3, ["pearson", "discrimination"]) is None
    assert components_of(X.__getitem__, CELLS, None, ["mmd"]) is None
    assert components_of(X.__getitem__, CELLS[:1], 3, ["mmd"]) is None
    assert components_of(X.__getitem__, CELLS, 99, ["mmd"]).shape == (12, 11)


def test_of_many_cells_some_are_looked_at(monkeypatch):
    monkeypatch.setattr(_training_cells, "_MAX_CELLS", 20)
    read = []

    def rows(cells):
        read.append(cells)
        return X[cells]

    first, again = (components_of(rows, CELLS, 2, ["mmd"]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(read[0]) == 20 and set(read[0]) <= set(CELLS)


@pytest.mark.parametrize("x", [X, sparse.csr_matrix(X)])
def test_conditions_weigh_the_same(x):
    strata = np.repeat([3, 7], [30, 10])
    found = perturbed_mean_of(x.__getitem__, CELLS, strata, ["pearson_perturbed"])
    np.testing.assert_allclose(found, (X[10:40].mean(0) + X[40:].mean(0)) / 2, atol=1e-12)
    assert perturbed_mean_of(x.__getitem__, CELLS, strata, ["pearson"]) is None
    assert perturbed_mean_of(x.__getitem__, CELLS[:0], strata[:0], ["pearson_perturbed"]) is None


def test_others_are_cells_with_another_label():
    labels = np.repeat(np.array(["P", "Q", "P+Q"], dtype=object), [10, 29, 1])
    every = others_of(X.__getitem__, CELLS, labels, "P", n_cells=100, seed=0)
    np.testing.assert_array_equal(every(), X[20:])
    some = [others_of(X.__getitem__, CELLS, labels, "P", n_cells=7, seed=0)() for _ in range(2)]
    assert some[0].shape == (7, 12) and (some[0] == some[1]).all()
    assert others_of(X.__getitem__, CELLS[:11], labels[:11], "P", n_cells=7, seed=0) is None
