"""Cells that a prediction starts from, and what is kept of them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scpi._screen._labels import Labelling
from scpi.model.base.prediction._predict import PredictionMixin, draw_cells


class Toy(PredictionMixin):
    """Predicts that the expression of each gene is multiplied by the total dose."""

    labelling = Labelling(("control",), "+")
    control_, trained_conditions_ = "control", ["A", "A+B"]

    def __init__(self):
        x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 12.0], [7.0, 8.0]], dtype=np.float32)
        self.adata = ad.AnnData(x, obs=pd.DataFrame(index=list("wxyz")), var=pd.DataFrame(index=["g", "h"]))

    def _check_if_trained(self, warn):
        pass

    def _validate_anndata(self, adata):
        return self.adata if adata is None else adata

    def _modality(self, adata):
        return adata

    def _var(self, adata):
        return adata.var

    def _expression(self, adata, cells):
        return adata.X[cells]

    _rows = _expression

    def canonical(self, label):
        return self.labelling.canonical(label)

    def _check_context(self, adata, context):
        pass

    def _check_dose(self, dose):
        pass

    def encode_perturbations(self, labels, doses):
        total = [1.0 if doses is None else np.sum(list(doses[0].values()))] * len(labels)
        return np.array(total, dtype=np.float32)[:, None]

    def _control_cells(self, adata, *, context, indices):
        return np.array([0, 2, 3])

    def _predict_cells(self, asked):
        return asked.adata.X[asked.cells] * asked.design[0]


@pytest.fixture
def toy():
    return Toy()


class TestDrawnCells:
    cells = np.arange(10, 15)

    def test_all_of_them_in_their_order(self):
        for n_cells in (None, 5):
            assert draw_cells(self.cells, n_cells, np.random.default_rng(0)).tolist() == self.cells.tolist()

    def test_fewer_without_and_more_with_replacement(self):
        few = draw_cells(self.cells, 4, np.random.default_rng(0))
        many = draw_cells(self.cells, 50, np.random.default_rng(0))
        assert len(set(few.tolist())) == 4
        assert (len(many), set(many.tolist())) == (50, set(self.cells.tolist()))

    def test_at_most_a_thousand_unless_more_are_wanted(self):
        drawn = draw_cells(np.arange(1200), None, np.random.default_rng(0))
        assert len(set(drawn.tolist())) == 1000

    def test_a_prediction_needs_a_cell(self):
        with pytest.raises(ValueError, match="at least 1, got 0"):
            draw_cells(self.cells, 0, np.random.default_rng(0))


def test_predicted_cells_say_what_they_are(toy):
    found = toy.predict(perturbation=["B+A", "C"], context=3, dose={"A": 10.0, "B": 0.5})
    np.testing.assert_allclose(found.X, np.tile(10.5 * toy.adata.X[[0, 2, 3]], (2, 1)))
    assert found.obs_names.tolist() == [f"{label}_{i}" for label in ("A+B", "C") for i in range(3)]
    obs = found.obs
    assert obs["perturbation"].tolist() == ["A+B"] * 3 + ["C"] * 3
    assert obs["source_cell"].tolist() == ["w", "y", "z"] * 2
    assert obs["status"].tolist() == ["trained"] * 3 + ["unseen"] * 3
    assert set(obs["context"]) == {"3"} and set(obs["dose"]) == {"10+0.5"}
    prediction = found.uns["prediction"]
    assert prediction["model"] == "Toy"
    assert prediction["params"] == {"perturbation": ["A+B", "C"], "context": 3, "dose": {"A": 10.0, "B": 0.5}}
    np.testing.assert_allclose(prediction["control_mean"], [13 / 3, 22 / 3])


@pytest.mark.parametrize("labels", [[], ["A", "A"], ["A+B", "B+A"]])
def test_labels_are_named_once(toy, labels):
    with pytest.raises(ValueError, match="at least one perturbation, each once"):
        toy.predict(perturbation=labels)


@pytest.mark.parametrize(
    ("label", "status"),
    [("control", "control"), ("A", "trained"), ("A+B", "trained"), ("A+C", "unseen combination"), ("C", "unseen")],
)
def test_status_by_the_training_data(toy, label, status):
    assert toy._status(label) == status


def test_doses_that_are_the_same_are_one_number(toy):
    assert toy._dose_name("A+B", {"A": 2.0, "B": 2.0}) == 2.0
    assert toy._dose_name("A+B", {"B": 1.0, "A": 2.5}) == "2.5+1"


def test_cells_count_as_often_as_they_are_drawn(toy):
    np.testing.assert_allclose(toy._mean_expression(toy.adata, np.array([1, 2, 1, 1])), [14 / 4, 24 / 4])
    assert toy._mean_expression(toy.adata, np.array([1])).dtype == np.float32


def test_predictions_are_compared_as_they_are(toy):
    assert toy._to_log_scale(toy.adata.X) is toy.adata.X
