from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scpi.model.gene_program._candidates import starting_units


def crossed(seed):
    """Logarithms of cells of four types, half of which respond by the same genes, and who responds."""
    rng = np.random.default_rng(seed)
    types, responds = rng.integers(0, 4, 400), rng.integers(0, 2, 400)
    effects = np.zeros((5, 60))
    for index, genes in enumerate(np.split(np.arange(60), 5)):
        effects[index, genes] = rng.uniform(0.5, 1.5, 12)
    logged = 0.5 + effects[types] + responds[:, None] * effects[4] + rng.normal(0, 0.3, (400, 60))
    return np.maximum(logged, 0.0).astype(np.float32), types, responds


def best(units, marked):
    return max(roc_auc_score(marked, column) for column in units.T)


@pytest.mark.parametrize("seed", range(3))
def test_a_response_of_all_types_is_one_unit_and_so_is_each_type(seed):
    logged, types, responds = crossed(seed)
    units, weights = starting_units(logged, 8)
    assert best(units, responds) > 0.97
    assert min(best(units, types == index) for index in range(4)) > 0.97
    assert units.shape == (400, 8) and weights.shape == (8, 60) and units.min() >= 0


def test_no_unit_repeats_another():
    units, _ = starting_units(crossed(0)[0], 12)
    present = units[:, units.any(0)]
    between = np.corrcoef(present.T) - np.eye(present.shape[1])
    assert between.max() <= 0.7


def test_there_are_no_more_units_than_the_cells_have():
    logged = np.outer(np.arange(6.0), [1.0, 2.0, 0.0, 3.0]).astype(np.float32)
    units, weights = starting_units(logged, 5)
    assert units.any(0).sum() == weights.any(1).sum() <= 2
    assert units.shape == (6, 5) and weights.shape == (5, 4)
