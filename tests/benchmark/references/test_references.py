"""References against scikit-learn, and what they read."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

import scpi
from scpi.benchmark.references import Factors, KMeansClusters, KnownGroups
from scpi.benchmark.references._reference import Reference


@pytest.fixture(scope="module")
def cells():
    found = scpi.datasets.splat(120, n_genes=80, group_prob=(0.5, 0.5), de_prob=0.5, de_fac_scale=0.6, rng=0)
    found.layers["counts"] = found.X.copy()
    found.X = found.X * 0
    return found


def fitted(cls, cells, **init):
    cls.setup_anndata(cells, layer="counts")
    model = cls(cells, **init)
    model.train(enable_progress_bar=False, max_epochs=3)
    return model


def test_a_reference_reads_the_layer_of_its_setup(cells):
    Reference.setup_anndata(cells, layer="counts")
    assert Reference(cells)._counts().sum() > 0
    Reference.setup_anndata(cells)
    assert Reference(cells)._counts().sum() == 0


def test_known_groups_and_clusters(cells):
    truth = cells.obs["group"].astype(str).to_numpy()
    assert list(fitted(KnownGroups, cells, n_clusters=2).predict()) == list(truth)
    first, again = (fitted(KMeansClusters, cells, n_clusters=2, seed=0).predict() for _ in range(2))
    assert scpi.metrics.ari(first, truth) == pytest.approx(1.0) and list(first) == list(again)
    with pytest.raises(KeyError, match="no_such"):
        fitted(KnownGroups, cells, n_clusters=2, group_key="no_such").predict()


def test_factors_are_those_of_scikit_learn(cells):
    model = fitted(Factors, cells, kind="pca", n_units=4)
    dense = cells.layers["counts"].toarray()
    logs = np.log1p(dense / dense.sum(1, keepdims=True) * np.median(dense.sum(1)))
    oracle = PCA(4, random_state=0).fit(logs)
    np.testing.assert_allclose(model.get_latent_representation(), oracle.transform(logs), atol=1e-4)
    np.testing.assert_allclose(model.get_loadings(), oracle.components_.T, atol=1e-5)
    back = np.expm1(np.maximum(oracle.inverse_transform(oracle.transform(logs)), 0))
    np.testing.assert_allclose(model.get_normalized_expression(cells), back, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", ["ica", "nmf"])
def test_other_factors_have_loadings_of_the_same_shape(kind, cells):
    model = fitted(Factors, cells, kind=kind, n_units=3)
    assert model.get_loadings().shape == (80, 3) and model.get_latent_representation().shape == (120, 3)
    assert (model.get_normalized_expression(cells) >= 0).all()


def test_a_kind_that_does_not_exist(cells):
    with pytest.raises(ValueError, match=r"`kind` must be one of \('pca', 'ica', 'nmf'\), got 'svd'"):
        Factors(cells, kind="svd")
