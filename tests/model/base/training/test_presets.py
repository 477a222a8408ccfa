from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from scpi.model.base import Rules, at_least, choose_preset


@dataclass(frozen=True)
class Preset:
    n_units: int = 4
    kind: str = "one"
    lr: float = 0.1
    dropout: float = 0.0
    patience: int | None = None
    layers: tuple[int, ...] = (8,)
    residual: bool = True


class Model:
    def __init__(self, adata=None, n_clusters=2, **preset_kwargs):
        pass


PRESETS = {"scpi": Preset(), "published": Preset(n_units=8)}
RULES = Rules(
    choices={"kind": ("one", "two"), "absent": ("x",)},
    least={"n_units": 1, "patience": 1},
    positive=("lr", "absent"),
    shares=("dropout", "absent"),
)


def test_a_preset_with_changes():
    assert choose_preset(Model, PRESETS, "published", {"kind": "two"}, RULES) == Preset(n_units=8, kind="two")
    assert PRESETS["published"] == Preset(n_units=8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "three"}, r"`kind` must be one of \['one', 'two'\], got 'three'"),
        ({"n_units": 0}, "`n_units` must be at least 1, got 0"),
        ({"patience": 0}, "`patience` must be at least 1, got 0"),
        ({"lr": 0.0}, "`lr` must be above 0, got 0"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1, got 1"),
    ],
)
def test_values_out_of_their_range(changes, message):
    with pytest.raises(ValueError, match=message):
        choose_preset(Model, PRESETS, "scpi", changes, RULES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_units": 2.5}, "`n_units` must be a whole number, got 2.5"),
        ({"n_units": True}, "`n_units` must be a whole number, got True"),
        ({"n_units": None}, "`n_units` must be a whole number, got None"),
        ({"lr": "0.1"}, "`lr` must be a number, got '0.1'"),
        ({"lr": True}, "`lr` must be a number, got True"),
        ({"patience": 1.5}, "`patience` must be a whole number, got 1.5"),
        ({"layers": (4, 2.5)}, r"`layers` must be a sequence of whole numbers, got \(4, 2.5\)"),
        ({"layers": 4}, "`layers` must be a sequence of whole numbers, got 4"),
        ({"residual": 1}, "`residual` must be True or False, got 1"),
    ],
)
def test_values_of_another_type(changes, message):
    with pytest.raises(TypeError, match=message):
        choose_preset(Model, PRESETS, "scpi", changes, RULES)


def test_values_of_numpy_and_lists_fit():
    changes = {
        "n_units": np.int64(3),
        "lr": np.float32(0.5),
        "residual": np.bool_(False),
        "layers": [2],
        "patience": None,
    }
    found = choose_preset(Model, PRESETS, "scpi", changes, RULES)
    assert found.n_units == 3 and found.layers == [2] and found.patience is None
    assert choose_preset(Model, PRESETS, "scpi", {"lr": 1}, RULES).lr == 1


def test_names_that_do_not_exist():
    with pytest.raises(ValueError, match=r"`preset` must be one of \['published', 'scpi'\], got 'other'"):
        choose_preset(Model, PRESETS, "other", {}, RULES)
    with pytest.raises(
        TypeError, match=r"`Model` has no setting 'units'\. Did you mean 'n_units'\? There are: dropout"
    ):
        choose_preset(Model, PRESETS, "scpi", {"units": 3}, RULES)
    # An argument of the model is near, too
    with pytest.raises(TypeError, match="Did you mean 'n_clusters'"):
        choose_preset(Model, PRESETS, "scpi", {"n_cluster": 3}, RULES)


def test_a_number_that_is_large_enough():
    assert at_least(2, 2, "n") == 2
    with pytest.raises(ValueError, match="`n` must be at least 2, got 1"):
        at_least(1, 2, "n")
