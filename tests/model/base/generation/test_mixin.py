from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scpi


def made(adata, **setup):
    scpi.model.NBVAE.setup_anndata(adata, **setup)
    return scpi.model.NBVAE(adata, n_latent=2)


def test_the_batch_is_the_first_of_the_covariates(screen):
    model = made(
        screen,
        batch_key="batch",
        categorical_covariate_keys=["perturbation", "cell_type"],
        continuous_covariate_keys=["dose"],
    )
    known = model._covariates()
    assert known.names == ["batch", "perturbation", "cell_type", "dose"]
    assert known.categories["batch"] == ["b1", "b2"]
    found, expected = model._covariates_of(screen), known.encode(screen.obs)
    np.testing.assert_array_equal(found.codes, expected.codes)
    np.testing.assert_allclose(found.values, expected.values)


def test_no_covariates(screen):
    model = made(screen)
    assert model._covariates().names == []
    assert [part.shape for part in model._covariates_of(screen)] == [(screen.n_obs, 0)] * 2


def test_the_prior_is_standard_normal(screen):
    z = made(screen)._prior(20_000, np.random.default_rng(0))
    assert z.shape == (20_000, 2) and z.dtype == np.float32
    np.testing.assert_allclose([z.mean(), z.std()], [0.0, 1.0], atol=0.02)


def test_training_cells_are_those_of_the_data_at_hand(screen):
    model = made(screen)
    model.train_indices = np.array([3, 5])
    assert model._training_cells(screen).tolist() == [3, 5]
    # A model that was loaded with fewer cells
    assert model._training_cells(screen[:4].copy()).tolist() == [0, 1, 2, 3]


def test_an_untrained_model_generates_nothing(screen):
    with pytest.raises(RuntimeError, match="train"):
        made(screen).generate(pd.DataFrame({"n_cells": [1]}))
