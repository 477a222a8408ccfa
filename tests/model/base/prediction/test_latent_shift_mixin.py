"""Shifts of latent units: where they come from, and which cells they move."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scpi.model.base._screen_model import ScreenModel
from scpi.model.base.prediction._latent_shift_mixin import LatentShiftMixin
from scpi.model.base.setup._conditions import ConditionsMixin

NAN = np.nan
# Two units; contexts 0 and 1 have controls that were trained on, context 2 has them in the data only
CONTROL = np.array([[1.0, 2.0], [3.0, 6.0], [NAN, NAN]])
DOSES = np.eye(3)


class Toy(LatentShiftMixin):
    """Moves the first unit by dose times 10 and the second by the first control, where A or B was measured alone."""

    has_contexts, perturbations_, control_ = True, ["A", "B", "C"], "control"
    adata = SimpleNamespace(n_obs=6)
    _control_mean = ConditionsMixin._control_mean
    _profiles_of, _group_codes = ScreenModel._profiles_of, ScreenModel._group_codes

    def __init__(self):
        self.restrict_to = None
        self.labels = np.array(["control", "A", "A", "control", "control", "B"], dtype=object)
        self.codes = np.array([0, 0, 1, 2, 2, 1])
        self.latent = np.arange(12.0).reshape(6, 2)
        self.module = SimpleNamespace(
            device="cpu",
            kept=SimpleNamespace(
                profiles=lambda: SimpleNamespace(control=CONTROL, balanced_control=lambda: CONTROL[:2].mean(0))
            ),
        )

    def _known_contexts(self):
        return ["x", "y", "z"]

    def _contexts(self, adata):
        return np.array(["x", "y", "z"], dtype=object)

    def _context_codes(self, adata):
        return self.codes

    def _labels(self, adata):
        return self.labels

    def _conditions(self, adata):
        return np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([0, 1, 1, 0, 0, 2])

    def _check_if_trained(self, warn):
        pass

    def _check_context(self, adata, context):
        pass

    def _validate_anndata(self, adata):
        return self.adata

    def encode_perturbations(self, labels, doses=None):
        return (1.0 if doses is None else doses[0]) * DOSES[[self.perturbations_.index(label) for label in labels]]

    def get_latent_representation(self, adata=None, *, indices):
        return self.latent[indices]

    def _measured_shift(self, profiles, design, control):
        alone = (design != 0).sum() == 1
        return np.array([10 * design.sum(), control[0]]) if alone and not design[2] else None

    def _decoded_change(self, shift, perturbation, dose):
        return lambda x: x + shift


@pytest.fixture
def toy():
    return Toy()


class TestRestrictTo:
    def test_contexts_are_kept_by_name(self, toy):
        profiles = SimpleNamespace(control=CONTROL)
        assert toy._allowed(profiles).tolist() == [True, True, True]
        toy.restrict_to = "y"
        assert toy.restrict_to == ["y"]
        assert toy._allowed(profiles).tolist() == [False, True, False]

    @pytest.mark.parametrize("contexts", [[], ["y", "w"]])
    def test_unknown_contexts_or_none_are_refused(self, toy, contexts):
        with pytest.raises(ValueError, match="must name contexts of the data"):
            toy.restrict_to = contexts
        assert toy.restrict_to is None

    def test_contexts_must_be_registered(self, toy):
        toy.has_contexts = False
        with pytest.raises(ValueError, match="without `context_key`"):
            toy.restrict_to = ["x"]


class TestShift:
    control = np.array([2.0, 5.0])

    @pytest.mark.parametrize(
        ("doses", "wanted"), [([2, 0, 0], [20, 2]), ([1, 3, 0], [40, 4]), ([0, 0, 0], [0, 0])], ids=str
    )
    def test_a_combination_that_was_not_measured_is_a_sum(self, toy, doses, wanted):
        assert toy._shift(None, np.array(doses, dtype=float), self.control).tolist() == wanted

    def test_a_member_without_cells_is_named_with_the_contexts(self, toy):
        toy.restrict_to = ["x"]
        with pytest.raises(ValueError, match=r"of the contexts \['x'\] has 'C' alone"):
            toy._shift(None, np.array([1.0, 0, 1]), self.control)

    def test_without_a_context_the_control_is_the_mean_one(self, toy):
        assert toy.get_shift(perturbation="A", dose=3).tolist() == [30, 2]

    def test_a_context_has_its_own_control(self, toy):
        assert toy.get_shift(perturbation="B", context="y").tolist() == [10, 3]
        # Those of the data: cells 3 and 4
        assert toy.get_shift(perturbation="B", context="z").tolist() == [10, 7]

    def test_the_change_of_a_target_is_by_the_shift(self, toy):
        change = toy._change_of("A", context="y", dose=2)
        assert change(torch.zeros(1, 2)).tolist() == [[20, 3]]


class TestControls:
    def test_those_trained_on_come_first(self, toy):
        controls = toy._latent_controls(None, np.array([1, 2, 3]))
        assert controls.tolist() == [[1, 2], [3, 6], [7, 8]]

    def test_a_context_without_any_is_named(self, toy):
        toy.labels[[3, 4]] = "A"
        with pytest.raises(ValueError, match="Context 'z' has no control cell, neither in training nor in the data"):
            toy._latent_controls(None, np.array([3]))


def test_each_cell_has_the_shift_of_its_doses_and_context(toy):
    designs = np.array([[1, 0, 0], [2, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
    shifts = toy._shifts(None, np.array([2, 0, 1, 3]), designs)
    assert shifts.tolist() == [[10, 3], [20, 1], [0, 0], [10, 7]]


def test_profiles_are_those_of_the_training_cells(toy):
    toy.train_indices = [0, 1, 3]
    kept = {}
    toy.module.kept = SimpleNamespace(put=kept.update, to=lambda device: None)
    toy._keep_profiles()
    np.testing.assert_array_equal(kept["control"], [[0, 1], [NAN, NAN], [6, 7]])
    np.testing.assert_array_equal(kept["treated"], [[2, 3]])
    assert (kept["context"].tolist(), kept["design"].tolist()) == ([0], [[1, 0, 0]])
    assert (kept["latent_least"].tolist(), kept["latent_most"].tolist()) == ([0, 1], [6, 7])
    # The same means of other values, which may be rows of all cells
    again = toy._profiles_of(toy.latent, np.array(toy.train_indices), np.array(toy.train_indices))
    np.testing.assert_array_equal(again.control, kept["control"])
