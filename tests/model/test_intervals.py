"""Every model that predicts expression has intervals."""

from __future__ import annotations

import inspect

import pytest

import scpi
from scpi.model.base import ScreenModel
from scpi.model.base.prediction._predict import PredictionMixin

# What is predicted is no change and no value of a gene: names of clusters, and numbers of cells, of which there are draws
OTHERS = {"CompositionModel", "ContrastiveSC", "SCDeepCluster", "SCZIDesk"}
PREDICTING = sorted(
    name
    for name in scpi.model.__all__
    if inspect.isclass(getattr(scpi.model, name)) and hasattr(getattr(scpi.model, name), "predict")
)


def test_the_table_is_complete():
    assert set(PREDICTING) >= OTHERS
    assert len(PREDICTING) > 20


@pytest.mark.parametrize("name", [name for name in PREDICTING if name not in OTHERS])
def test_predictions_have_intervals(name):
    model = getattr(scpi.model, name)
    argument = inspect.signature(model.predict).parameters["interval"]
    assert argument.kind is inspect.Parameter.KEYWORD_ONLY
    assert argument.default is None
    assert callable(model.calibrate)
    if issubclass(model, ScreenModel):
        # One wrapper for all of them
        assert model.predict is PredictionMixin.predict


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_others_say_so(name):
    model = getattr(scpi.model, name)
    assert "interval" not in inspect.signature(model.predict).parameters
    assert not hasattr(model, "calibrate")
