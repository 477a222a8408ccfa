"""Latent representations of all networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

MODELS = {
    "SCGEN": {"n_hidden": 8, "n_latent": 3},
    "MultiTaskAE": {"n_hidden": (8,), "n_latent": 3},
    "SCPREGAN": {"n_hidden": (8, 8), "n_latent": 3},
    "SCButterfly": {"n_latent": 8, "n_translator": 3},
    "SENAVAE": {"encoder": "mlp", "n_factors": 3},
}


@pytest.fixture(scope="module", params=list(MODELS))
def model(request, make_screen, build):
    adata = make_screen()
    adata.X = adata.X.log1p()
    return build(request.param, adata, MODELS[request.param])


def test_batches_and_order_do_not_matter(model):
    z = model.get_latent_representation()
    assert z.shape == (model.adata.n_obs, 3)
    assert z.dtype == np.float32
    np.testing.assert_allclose(model.get_latent_representation(batch_size=7), z, atol=1e-5)
    np.testing.assert_allclose(model.get_latent_representation(indices=[5, 2]), z[[5, 2]], atol=1e-5)


def test_the_attribution_target_of_the_units_gives_them(model):
    controls = np.flatnonzero(model.adata.obs["perturbation"] == "control")[:5]
    target = model.attribution_target("latent")
    with torch.no_grad():
        z = target.function(target.transform(torch.from_numpy(model.adata.X[controls].toarray())))
    np.testing.assert_allclose(z.numpy(), model.get_latent_representation(indices=controls), atol=1e-5)
    assert len(target.names) == 3


def test_cells_must_exist(model):
    with pytest.raises(ValueError, match="`indices` must be between 0 and"):
        model.get_latent_representation(indices=[10_000])
