from __future__ import annotations

import numpy as np
import pytest
import scvi

import scpi
from scpi.benchmark import ModelSpec
from scpi.benchmark.grid._kinds._fit import fit
from scpi.benchmark.references import Factors


@pytest.fixture(scope="module")
def cells():
    found = scpi.datasets.splat(60, n_genes=30, group_prob=(0.5, 0.5), rng=0)
    found.layers["counts"] = found.X.copy()
    return found


def test_a_model_of_scvi_tools_is_seeded_and_counted(cells):
    spec = ModelSpec(model=scvi.model.SCVI, init={"n_latent": 3}, train={"max_epochs": 1})
    first, again, other = (fit(spec, cells.copy(), layer="counts", seed=seed) for seed in (1, 1, 2))
    units = [one.model.get_latent_representation() for one in (first, again, other)]
    np.testing.assert_array_equal(units[0], units[1])
    assert not np.allclose(units[0], units[2]) and units[0].shape == (60, 3)
    assert first.n_parameters == sum(one.numel() for one in first.model.module.parameters()) and first.seconds > 0


def test_what_the_grid_says_of_a_model_counts(cells):
    spec = ModelSpec(model=Factors, layer="counts", init={"kind": "pca", "seed": 7})
    found = fit(spec, cells.copy(), layer=None, seed=1, n_units=5)
    assert (found.model.layer, found.model.seed, found.model.n_units, found.n_parameters) == ("counts", 7, 5, None)
