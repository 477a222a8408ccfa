from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

SETUP = {"batch_key": "half", "categorical_covariate_keys": ["group"]}


@pytest.fixture(scope="module")
def batched(cells, train):
    return train(cells.copy(), SETUP, max_epochs=3)


def test_the_mean_of_the_latent_units_is_decoded(batched):
    found = batched.get_normalized_expression(indices=[3, 1])
    assert isinstance(found, pd.DataFrame) and found.index.tolist() == ["3", "1"]
    row = batched.adata.obs.iloc[3]
    decode = batched.decoder_target(half=row["half"], group=row["group"]).function
    z = torch.from_numpy(batched.get_latent_representation(indices=[3]))
    np.testing.assert_allclose(found.iloc[0], decode(z).exp().detach()[0], rtol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-4)


def test_genes_and_totals(batched):
    whole = batched.get_normalized_expression()
    some = batched.get_normalized_expression(gene_list=["g7", "g2"], library_size=100.0)
    assert some.columns.tolist() == ["g7", "g2"]
    np.testing.assert_allclose(some, 100 * whole[["g7", "g2"]], rtol=1e-5)
    own = batched.get_normalized_expression(library_size="latent", return_numpy=True)
    np.testing.assert_allclose(own, whole * batched.adata.X.sum(1), rtol=1e-4)
    with pytest.raises(KeyError, match="no gene 'g999'"):
        batched.get_normalized_expression(gene_list=["g999"])


def test_batches_are_averaged(batched):
    x, y = (batched.get_normalized_expression(transform_batch=name) for name in "xy")
    pd.testing.assert_frame_equal(x, batched.get_normalized_expression(half="x"))
    assert np.abs(x - y).to_numpy().max() > 1e-5
    both = batched.get_normalized_expression(transform_batch=["x", "y"])
    np.testing.assert_allclose(both, (x + y) / 2, rtol=1e-4)
    own = batched.get_normalized_expression(transform_batch=[None])
    is_x = batched.adata.obs["half"] == "x"
    np.testing.assert_allclose(own[is_x], x[is_x], rtol=1e-5)
    with pytest.raises(ValueError, match="no category 'z'"):
        batched.get_normalized_expression(transform_batch="z")


def test_draws_are_those_of_the_posterior(batched):
    cell = [5]
    draws = batched.get_normalized_expression(indices=cell, n_samples=4000, return_mean=False)
    assert draws.shape == (4000, 1, 100)
    (mean,), (sd,) = batched._posterior(batched.adata, np.array(cell))
    row = batched.adata.obs.iloc[5]
    decode = batched.decoder_target(half=row["half"], group=row["group"]).function
    z = mean + sd * np.random.default_rng(1).standard_normal((4000, 4), dtype=np.float32)
    with torch.inference_mode():
        expected = decode(torch.from_numpy(z)).exp().numpy()
    error = expected.std(0) / np.sqrt(4000)
    assert (np.abs(draws[:, 0].mean(0) - expected.mean(0)) < 6 * error).all()
    np.testing.assert_allclose(draws[:, 0].std(0), expected.std(0), rtol=0.1)
    averaged = batched.get_normalized_expression(indices=cell, n_samples=4000)
    np.testing.assert_allclose(averaged, draws.mean(0), rtol=1e-4)


def test_draws_over_all_cells(batched):
    draws = batched.get_normalized_expression(n_samples_overall=3000)
    assert draws.shape == (3000, 100)
    whole = batched.get_normalized_expression(return_numpy=True)
    error = draws.std(0) / np.sqrt(3000)
    assert (np.abs(draws.mean(0) - whole.mean(0)) < 6 * error + 0.02 * whole.mean(0)).all()
    again = batched.get_normalized_expression(n_samples_overall=3000, batch_size=7)
    np.testing.assert_allclose(draws, again, rtol=1e-4)
    assert not np.allclose(draws, batched.get_normalized_expression(n_samples_overall=3000, rng=1))


def test_a_model_without_a_batch(model):
    with pytest.raises(ValueError, match="`transform_batch` needs a batch"):
        model.get_normalized_expression(transform_batch="x")
    with pytest.raises(ValueError, match="`n_samples` must be at least 1"):
        model.get_normalized_expression(n_samples=0)
