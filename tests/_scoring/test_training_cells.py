from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._scoring._metrics import METRICS
from scpi._scoring._training_cells import components_of, perturbed_mean_of

X = np.random.default_rng(0).normal(size=(60, 8)) * np.arange(8, 0, -1)
CELLS = np.arange(10, 50)
OF_CELLS = [name for name, metric in METRICS.items() if metric.space == "components"][:1]
OF_MEANS = [name for name, metric in METRICS.items() if metric.needs_perturbed_mean][:1]


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_components_are_the_directions_of_the_largest_variance(convert):
    x = convert(X)
    found = components_of(lambda cells: x[cells], CELLS, 3, OF_CELLS)
    centred = X[CELLS] - X[CELLS].mean(axis=0)
    expected = np.linalg.svd(centred, full_matrices=False)[2][:3]
    np.testing.assert_allclose(np.abs(np.sum(found.T * expected, axis=1)), 1.0, atol=1e-6)


def test_components_are_as_many_as_there_can_be():
    assert components_of(lambda cells: X[cells], CELLS[:4], 30, OF_CELLS).shape == (8, 3)
    assert components_of(lambda cells: X[cells], CELLS[:1], 30, OF_CELLS) is None
    assert components_of(lambda cells: X[cells], CELLS, None, OF_CELLS) is None
    assert components_of(lambda cells: X[cells], CELLS, 3, ["rmse"]) is None
    with pytest.raises(ValueError, match="`n_components` must be at least 1"):
        components_of(lambda cells: X[cells], CELLS, 0, OF_CELLS)


def test_each_condition_has_the_same_weight_in_the_mean():
    strata = np.repeat([3, 1, 7], [30, 9, 1])
    found = perturbed_mean_of(lambda cells: X[cells], CELLS, strata, OF_MEANS)
    parts = [X[CELLS[strata == code]].mean(axis=0) for code in (1, 3, 7)]
    np.testing.assert_allclose(found, np.mean(parts, axis=0))
    assert perturbed_mean_of(lambda cells: X[cells], CELLS, strata, ["rmse"]) is None
    assert perturbed_mean_of(lambda cells: X[cells], CELLS[:0], strata[:0], OF_MEANS) is None
