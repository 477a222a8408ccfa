from __future__ import annotations

import importlib
import textwrap

import pytest

import scpi
from scpi.benchmark.grid._names import look_up, name_of
from scpi.benchmark.grid._problem import Problem

ROOM = "scpi.model"


def test_classes_of_scpi_have_the_name_of_their_room():
    assert name_of(scpi.model.MeanDelta, ROOM, "model") == name_of("MeanDelta", ROOM, "model") == "MeanDelta"
    assert look_up("MeanDelta", ROOM) is scpi.model.MeanDelta


def test_others_have_that_of_their_module(tmp_path, monkeypatch):
    (tmp_path / "own_models.py").write_text("class Own: ...\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    own_models = importlib.import_module("own_models")

    name = name_of(own_models.Own, ROOM, "model")
    assert name == "own_models:Own" == name_of(name, ROOM, "model")
    assert look_up(name, ROOM) is own_models.Own


def test_names_that_lead_nowhere_are_refused():
    with pytest.raises(Problem, match=r"a: unknown model 'MeanDelt', did you mean 'MeanDelta'"):
        name_of("MeanDelt", ROOM, "model", "a")
    with pytest.raises(Problem, match=r"must be a model or its name, but is 3"):
        name_of(3, ROOM, "model")
    with pytest.raises(Problem, match="Local, which other processes cannot import"):
        name_of(type("Local", (), {"__module__": "__main__"}), ROOM, "model")
    with pytest.raises(ImportError):
        look_up("no_such_module:Own", ROOM)


def test_a_function_within_another_is_refused():
    scope = {}
    exec(textwrap.dedent("def outer():\n    def inner(): ...\n    return inner\n"), {"__name__": "x"}, scope)
    with pytest.raises(Problem, match="cannot import"):
        name_of(scope["outer"](), "scpi.datasets", "loader")
