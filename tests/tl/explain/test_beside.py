"""Measured changes and simpler predictions beside an explained one."""

from __future__ import annotations

import numpy as np
import pytest

import scpi
from scpi.model import MeanDelta
from scpi.tl._explain._beside import Measured, mean_of_training, measure, score


@pytest.fixture(scope="module")
def model():
    adata = scpi.datasets.plant_screen(n_perturbations=3, n_cells=20, doubles=False)
    MeanDelta.setup_anndata(adata)
    model = MeanDelta(adata)
    model.train(train_size=1.0)
    return model


def mean(adata, label):
    return np.asarray(adata[adata.obs["perturbation"] == label].X.mean(axis=0)).ravel()


def test_the_measured_change_is_that_of_the_cells(model):
    adata, label = model.adata, model.perturbations_[0]
    found = measure(model, adata, label, context=None, dose=None)
    np.testing.assert_allclose(found.change, mean(adata, label) - mean(adata, "control"), atol=1e-4)
    assert found.n_cells == 20
    cells, controls = (adata[adata.obs["perturbation"] == one].X.toarray() for one in (label, "control"))
    own, shared = (values.var(axis=0, ddof=1) / len(values) for values in (cells, controls))
    np.testing.assert_allclose(found.noise, np.sqrt(own), atol=1e-4)
    np.testing.assert_allclose(found.standard_error, np.sqrt(own + shared), atol=1e-4)
    assert measure(model, adata, "+".join(model.perturbations_[:2]), context=None, dose=None) is None


def test_the_mean_is_that_of_the_other_conditions(model):
    adata, (first, *others) = model.adata, model.perturbations_
    expected = np.mean([mean(adata, label) - mean(adata, "control") for label in others], axis=0)
    np.testing.assert_allclose(mean_of_training(model, first), expected, atol=1e-4)


def test_scores_are_relative_to_no_change_and_noise():
    real = np.array([1.0, -1.0, 2.0, -2.0])
    table = score(
        real / 2, Measured(real, np.full(4, 0.8), np.full(4, 0.5), 9), np.array([1.0, 1.0, 1.0, -1.0])
    ).set_index("name")
    assert table.index.tolist() == [
        "prediction",
        "mean of other perturbations",
        "no change",
        "noise of the measurement",
    ]
    # 10 in all: half of each is left of a half; the noise is 4 * 0.25
    assert table["squared_error"].tolist() == pytest.approx([0.25, 0.6, 1.0, 0.1])
    assert table.loc["prediction", "pearson"] == pytest.approx(1.0)
    assert table.loc["no change", "pearson"] == 0
    assert table.loc["noise of the measurement", "pearson"] == pytest.approx(np.sqrt(0.9))
