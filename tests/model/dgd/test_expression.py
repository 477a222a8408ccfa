from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

COMPARED = {"groupby": "group", "group1": "Group1", "group2": "Group2"}


@pytest.fixture(scope="module")
def model(cells, train):
    return train(cells, {"batch_key": "batch"}, n_components=3)


@pytest.mark.parametrize("posterior", ["normal", "point"])
def test_the_spread_of_representations(cells, train, posterior):
    model = train(cells[:40].copy(), max_epochs=2, n_components=1, posterior=posterior)
    z, sd = model._posterior(model.adata, np.arange(3))
    np.testing.assert_array_equal(z, model.get_latent_representation(indices=[0, 1, 2]))
    expected = 0.0 if posterior == "point" else model.module.log_sd.exp().detach().numpy()
    np.testing.assert_allclose(sd, np.broadcast_to(expected, z.shape))
    draws = model.get_normalized_expression(indices=[0], n_samples=5, return_mean=False)
    assert (draws.std(0).max() > 1e-6) == (posterior == "normal")


def test_new_cells_and_batches(model, cells):
    new = cells[:5].copy()
    new.obs["batch"] = "other"
    own = model.get_normalized_expression(new, n_steps=3)
    np.testing.assert_allclose(own.sum(1), 1.0, rtol=1e-4)
    names = [str(name) for name in cells.obs["batch"].unique()]
    parts = [model.get_normalized_expression(indices=[0, 1], batch=name) for name in names]
    both = model.get_normalized_expression(indices=[0, 1], transform_batch=names)
    np.testing.assert_allclose(both, sum(parts) / len(names), rtol=1e-4)


def test_planted_genes_are_found(model, cells):
    found = model.differential_expression(**COMPARED)
    factor = np.log2(cells.varm["de_factor"]["Group1"] / cells.varm["de_factor"]["Group2"])
    truth = factor.abs() > 0.5
    assert 20 < truth.sum() < 80
    assert roc_auc_score(truth, found.loc[cells.var_names, "proba_de"]) > 0.8
    assert np.corrcoef(found.loc[cells.var_names, "lfc_mean"], factor)[0, 1] > 0.8
