from __future__ import annotations

from scpi._model_names import brief_name, find_model, joined


def test_a_model_is_found_by_its_own_name():
    there = [joined(["MeanDelta", "NearestDelta"]), "x = 1"]
    assert find_model(there, "NearestDelta") == there[0]
    assert find_model(there, "x = 1") == "x = 1"
    assert find_model(there, "Nearest") == "Nearest"


def test_names_of_many_models_are_short_in_figures():
    for name in ("MeanDelta = NearestDelta", "MeanDelta = LogRatioDelta", "a = b = c", "a" * 40):
        assert brief_name(name) == name
    assert brief_name("MeanDelta = NearestDelta = RidgeDelta") == "MeanDelta = 2 others"
