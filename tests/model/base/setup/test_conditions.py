"""Labels, doses and contexts of registered cells."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from scpi.model.base._constants import KEYS
from scpi.model.base.setup._conditions import ConditionsMixin

CONDITIONS = ["control", "A", "A", "A+B"]
DOSES = [(), (0.5,), (2.0,), (1.0, 4.0)]


class Toy(ConditionsMixin):
    """Six cells: two controls, A at two doses, and two of A+B; two contexts, and one that was not trained on."""

    perturbations_, control_, delimiter_ = ["A", "B"], "control", "+"
    data = SimpleNamespace(n_obs=6)

    def __init__(self, *, dose_key="dose", contexts=True):
        state = {
            "vocabulary": ["A", "B"],
            "conditions": CONDITIONS,
            "doses": DOSES,
            "controls": ["control", "mock"],
            "delimiter": "+",
        }
        fields = {KEYS.CONDITION: {"state_registry": state}}
        if contexts:
            fields[KEYS.CONTEXT] = {"state_registry": {"categorical_mapping": np.array(["x", "y"])}}
        self.registry = {"field_registries": fields, "setup_args": {"dose_key": dose_key}}
        self.values = {
            KEYS.CONDITION: np.array([[0], [1], [2], [3], [3], [0]]),
            KEYS.CONTEXT: np.array([[0], [0], [1], [2], [1], [1]]),
        }

    def _field(self, adata, key):
        return self.values[key]

    def _state_of(self, adata, key):
        if key == KEYS.CONTEXT:
            return SimpleNamespace(categorical_mapping=np.array(["x", "y", "new"]))
        return self.registry["field_registries"][key]["state_registry"]

    def _has_field(self, key):
        return key in self.registry["field_registries"]


@pytest.fixture
def toy():
    return Toy()


class TestLabels:
    def test_doses_are_in_the_columns_of_their_perturbations(self, toy):
        assert toy.encode_perturbations(["B+A", "B", "mock"]).tolist() == [[1, 1], [0, 1], [0, 0]]
        assert toy.encode_perturbations(["A+B", "B"], [{"B": 3.0, "A": 0.5}, 2.0]).tolist() == [[0.5, 3], [0, 2]]

    def test_an_unknown_perturbation_is_named(self, toy):
        with pytest.raises(ValueError, match="'Z'"):
            toy.encode_perturbations(["A+Z"])

    @pytest.mark.parametrize(
        ("label", "wanted"), [("B+A", "A+B"), ("A+control", "A"), ("A+A", "A"), ("mock", "control")]
    )
    def test_a_label_has_one_spelling(self, toy, label, wanted):
        assert toy.canonical(label) == wanted

    def test_conditions_of_cells(self, toy):
        design, codes = toy._conditions(toy.data)
        assert design.tolist() == toy._designs().tolist() == [[0, 0], [0.5, 0], [2, 0], [1, 4]]
        assert codes.tolist() == [0, 1, 2, 3, 3, 0]
        assert toy._labels(toy.data).tolist() == ["control", "A", "A", "A+B", "A+B", "control"]
        assert toy._doses(toy.data).tolist() == [0, 0.5, 2, 4, 4, 0]


class TestDoses:
    def test_the_range_is_that_of_the_measured_ones(self, toy):
        assert toy._dose_range() == (0.5, 4.0)
        assert Toy(dose_key=None)._dose_range() is None

    @pytest.mark.parametrize(("dose", "outside"), [(0.0, False), (0.4, True), (0.5, False), (4.0, False), (4.1, True)])
    def test_doses_beyond_it_are_extrapolated(self, toy, dose, outside):
        assert toy._is_extrapolated(dose) is outside
        assert Toy(dose_key=None)._is_extrapolated(dose) is False
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            toy._check_dose(dose)
        assert len(seen) == outside
        assert not seen or f"The dose {dose:g} lies outside of the measured range, 0.5 to 4" in str(seen[0].message)

    @pytest.mark.parametrize("dose", [-1.0, np.inf, np.nan, {"A": 1.0, "B": -0.5}])
    def test_a_dose_is_a_number_from_zero(self, toy, dose):
        with pytest.raises(ValueError, match="finite number of at least 0"):
            toy._check_dose(dose)

    def test_none_is_checked_by_nothing(self, toy):
        assert toy._check_dose(None) is None


class TestContexts:
    def test_those_of_the_data_and_of_the_model(self, toy):
        assert toy._known_contexts() == ["x", "y"]
        assert toy._context_codes(toy.data).tolist() == [0, 0, 1, 2, 1, 1]
        assert toy._in_context(toy.data, np.array([1, 2, 3]), "new").tolist() == [False, False, True]

    def test_without_contexts_there_is_one(self):
        toy = Toy(contexts=False)
        assert toy._context_codes(toy.data).tolist() == [0] * 6
        toy._check_context(toy.data, None)
        with pytest.raises(ValueError, match="without `context_key`"):
            toy._check_context(toy.data, "x")

    def test_an_unknown_context_is_named(self, toy):
        toy._check_context(toy.data, "new")
        with pytest.raises(ValueError, match=r"Unknown context 'w'; the data has \['x', 'y', 'new'\]"):
            toy._check_context(toy.data, "w")


class TestCells:
    @pytest.mark.parametrize(
        ("label", "context", "indices", "wanted"),
        [
            ("control", None, None, [0, 5]),
            ("control", "y", None, [5]),
            ("A+B", None, [4, 3, 0], [4, 3]),
            ("A", "y", [1, 2], [2]),
        ],
    )
    def test_cells_of_a_label_and_a_context(self, toy, label, context, indices, wanted):
        assert toy._labelled_cells(toy.data, label, context=context, indices=indices).tolist() == wanted

    def test_control_cells_are_those_labelled_control(self, toy):
        assert toy._control_cells(toy.data, context="x", indices=None).tolist() == [0]

    @pytest.mark.parametrize(
        ("label", "context", "message"),
        [
            ("control", "new", r"no control cell \('control'\) of context 'new' to start"),
            ("B", None, "no cell under 'B' to start"),
        ],
    )
    def test_what_is_missing_is_named(self, toy, label, context, message):
        with pytest.raises(ValueError, match=message):
            toy._labelled_cells(toy.data, label, context=context, indices=None)
