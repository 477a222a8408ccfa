from __future__ import annotations

import numpy as np
import pytest

from scpi.model.conditions._methods import make_methods
from scpi.model.conditions._rows import Rows
from scpi.model.conditions._xgboost import XGBoost

xgboost = pytest.importorskip("xgboost")

ROWS = Rows(np.repeat([0, 1, 2], 8), np.tile(np.arange(8), 3), np.linspace(0.0, 1.0, 24)[:, None])
VALUES = np.random.default_rng(0).normal(size=(24, 4)) + ROWS.context[:, None]
WANTED = Rows(np.array([0, 2, -1, 1]), np.array([3, -1, 5, 0]), np.array([[0.1], [0.2], [0.9], [0.5]]))


@pytest.mark.smoke("xgboost")
def test_it_is_xgboost_with_its_defaults_on_indicators_and_features():
    def design(rows):
        columns = (rows.context[:, None] == np.arange(3), rows.perturbation[:, None] == np.arange(8), rows.features)
        return np.hstack(columns).astype(float)

    expected = xgboost.XGBRegressor(n_jobs=1).fit(design(ROWS), VALUES - VALUES.mean(0)).predict(design(WANTED))
    predicted = XGBoost(n_components=None).fit(ROWS, VALUES, np.random.default_rng(0))(WANTED)
    np.testing.assert_allclose(predicted, expected + VALUES.mean(0), rtol=1e-5)
    (method,) = make_methods(["xgboost"], {})
    # As many components as there are genes are all that can be found
    whole = method.fit(ROWS, VALUES, np.random.default_rng(0))(WANTED)
    assert whole.shape == (4, 4)
    assert np.corrcoef(whole.ravel(), predicted.ravel())[0, 1] > 0.8


def test_one_component_is_enough():
    values = np.outer(np.arange(24.0), [1.0, -2.0])
    predicted = XGBoost(n_trees=50).fit(ROWS, values, np.random.default_rng(0))(ROWS)
    np.testing.assert_allclose(predicted, values, atol=1.0)
