"""Cells that a prediction starts from, and what is kept of them."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scpi
from scpi._screen._labels import Labelling
from scpi.model.base.counts._mixin import DrawnCellsMixin
from scpi.model.base.prediction._predict import PredictionMixin, draw_cells


class Toy(PredictionMixin, DrawnCellsMixin):
    """Predicts that the expression of each gene is multiplied by the total dose."""

    labelling = Labelling(("control",), "+")
    control_, trained_conditions_, scale_, _reads_counts = "control", ["A", "A+B"], "counts", False
    registry = {"setup_args": {}}
    has_contexts, trained_contexts_ = False, {}

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

    def _setup_of_labels(self):
        return {"perturbation_key": "label", "control": ["control"]}

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

    def _context_codes(self, adata):
        return np.zeros(adata.n_obs, dtype=np.int64)

    _stratum_codes = _context_codes

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
    found = toy.predict(perturbation=["B+A", "C"], context=3, dose={"A": 10.0, "B": 0.5}, output="mean")
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
        toy.predict(perturbation=labels, output="mean")


@pytest.mark.parametrize(
    ("label", "status"),
    [("control", "control"), ("A", "trained"), ("A+B", "trained"), ("A+C", "unseen combination"), ("C", "unseen")],
)
def test_status_by_the_training_data(toy, label, status):
    assert toy._status(label) == status


@pytest.mark.parametrize(
    ("label", "contexts", "status"),
    [
        ("A", ["T"], "trained"),
        ("A", ["B", "T"], "trained"),
        ("A+B", ["T"], "trained"),
        ("A+B", ["B"], "unseen condition"),
        ("A+B", ["T", "B"], "unseen condition"),
        ("A", ["NK"], "unseen context"),
        ("A", ["NK", "T"], "unseen context"),
        ("C", ["NK"], "unseen"),
        ("A+C", ["T"], "unseen combination"),
        ("control", ["NK"], "control"),
    ],
)
def test_status_in_a_context(toy, label, contexts, status):
    toy.trained_contexts_ = {"A": ["B", "T"], "A+B": ["T"]}
    assert toy._status(label, contexts) == status
    toy.trained_contexts_ = {}
    assert toy._status(label, contexts) == toy._status(label)


def test_doses_that_are_the_same_are_one_number(toy):
    assert toy._dose_name("A+B", {"A": 2.0, "B": 2.0}) == 2.0
    assert toy._dose_name("A+B", {"B": 1.0, "A": 2.5}) == "2.5+1"


def test_cells_count_as_often_as_they_are_drawn(toy):
    found = toy.predict(perturbation="A", n_cells=50, output="mean", rng=3)
    times = found.obs["source_cell"].value_counts()
    expected = sum(times[name] * toy.adata[name].X[0] for name in times.index) / 50
    np.testing.assert_allclose(found.uns["prediction"]["control_mean"], expected, rtol=1e-6)
    assert found.uns["prediction"]["control_mean"].dtype == np.float32


class TestOutputs:
    """The expression of the toy triples."""

    dose = {"A": 3.0}

    def test_counts_have_the_means(self, toy):
        found = toy.predict(perturbation="A", dose=self.dose, n_cells=3000)
        assert found.uns["prediction"]["output"] == "counts" and not found.layers
        values = found.X.toarray()
        assert (values == np.rint(values)).all()
        start = toy.adata[found.obs["source_cell"].tolist()].X
        assert (values >= start).all()
        np.testing.assert_allclose(values.mean(0), 3 * start.mean(0), rtol=0.02)

    def test_logarithms_are_those_of_the_counts(self, toy):
        found = toy.predict(perturbation="A", dose=self.dose, output="log")
        counts = found.layers["counts"].toarray()
        np.testing.assert_allclose(found.X.toarray(), np.log1p(counts / counts.sum(1, keepdims=True) * 1e4), rtol=1e-5)
        assert (toy.predict(perturbation="A", dose=self.dose).X.toarray() == counts).all()

    def test_controls_are_what_they_are(self, toy):
        found = toy.predict(perturbation="control")
        np.testing.assert_array_equal(found.X.toarray(), toy.adata.X[[0, 2, 3]])

    def test_means_of_other_scales(self, toy):
        toy.scale_ = "scaled"
        assert toy.predict(perturbation="A").uns["prediction"]["output"] == "mean"
        with pytest.raises(ValueError, match="scaled: counts cannot be drawn"):
            toy.predict(perturbation="A", output="log")

    def test_each_cell_says_what_it_holds_when_it_is_put_beside_controls(self, toy):
        for output in ("counts", "log", "mean"):
            found = toy.predict(perturbation="A", output=output)
            assert set(found.obs["predicted_output"]) == {output}
        both = ad.concat({"A": found, "control": toy.adata[[0, 2, 3]]}, label="side", join="outer", index_unique="-")
        with pytest.warns(UserWarning, match="what a model expects of cells, not cells"):
            scpi.de.rank_genes(both, "side", method="t-test", transform="none")

    def test_unknown_outputs(self, toy):
        with pytest.raises(ValueError, match="'counts', 'log', 'mean'.*but is 'expected'"):
            toy.predict(perturbation="A", output="expected")

    def test_counts_of_logarithms_are_not_made_up(self, toy):
        toy.scale_, toy.adata.X = "logs", np.log1p(toy.adata.X)
        with pytest.raises(ValueError, match="counts_layer"):
            toy.predict(perturbation="A", output="counts")
        assert not toy.predict(perturbation="A").layers

    def test_known_counts_come_along(self, toy):
        toy.adata.layers["counts"] = toy.adata.X.copy()
        toy.scale_, toy.adata.X = "logs", np.log1p(toy.adata.X)
        found = toy.predict(perturbation="A")
        np.testing.assert_allclose(found.X.toarray(), np.log1p(found.layers["counts"].toarray()), rtol=1e-6)
        counts = toy.predict(perturbation="A", output="counts")
        np.testing.assert_array_equal(counts.X.toarray(), found.layers["counts"].toarray())
        np.testing.assert_allclose(counts.uns["prediction"]["control_mean"], [13 / 3, 22 / 3])

    @pytest.mark.parametrize("change", [lambda x: x[::-1].copy(), lambda x: x * 0.5])
    def test_what_is_no_counts_of_it_is_said_and_left(self, toy, change):
        toy.adata.layers["counts"] = change(toy.adata.X)
        toy.scale_, toy.adata.X = "logs", np.log1p(toy.adata.X)
        with pytest.warns(UserWarning, match=r"not log1p of scaled counts of `layers\['counts'\]`"):
            found = toy.predict(perturbation="A")
        assert not found.layers

    def test_the_same_seed_gives_the_same_cells(self, toy):
        one, other, third = (toy.predict(perturbation="A", dose=self.dose, rng=seed).X for seed in (0, 0, 1))
        assert (one != other).nnz == 0 and (one != third).nnz > 0
