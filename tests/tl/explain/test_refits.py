"""Models of other seeds on halves of the cells."""

from __future__ import annotations

import numpy as np

import scpi
from scpi.model import MeanDelta
from scpi.tl._explain._refits import refits


def test_each_condition_keeps_half_of_its_cells():
    adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=21, n_control=40, doubles=False)
    MeanDelta.setup_anndata(adata)
    model = MeanDelta(adata)
    model.train(train_size=1.0)
    first, second = refits(model, 2, train_kwargs={}, rng=np.random.default_rng(0))
    for one in (first, second):
        counts = adata.obs["perturbation"].iloc[one.train_indices].value_counts()
        assert counts["control"] == 20
        assert (counts.drop("control") == 11).all()
    assert set(first.train_indices) != set(second.train_indices)
    assert list(refits(model, 0, train_kwargs={}, rng=np.random.default_rng(0))) == []
