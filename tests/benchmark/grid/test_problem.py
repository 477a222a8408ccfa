from __future__ import annotations

import numpy as np
import pytest

from scpi.benchmark.grid._problem import Problem, check_choice, check_plain, check_type, plain


def test_the_place_grows_from_the_inside():
    problem = Problem("is wrong.", "train").below("models", "a")
    assert str(problem) == "models.a.train: is wrong."
    lines = {(): 1, ("models",): 3, ("models", "a"): 5}
    assert str(problem.in_file("g.yaml", lines)) == "g.yaml, line 5, models.a.train: is wrong."
    assert str(Problem("is wrong.").in_file("g.yaml", {})) == "g.yaml: is wrong."


def test_the_name_that_may_be_meant():
    check_choice("train", ["train"], "entry")
    with pytest.raises(Problem, match=r"^a: unknown entry 'trian', did you mean 'train'\? Known"):
        check_choice("trian", ["init", "train"], "entry", "a")
    with pytest.raises(Problem, match=r"^unknown entry 3 Known"):
        check_choice(3, ["init"], "entry")


def test_a_truth_value_is_no_number():
    check_type(1, int, "a number")
    check_type(True, bool, "true or false")
    with pytest.raises(Problem, match="must be a number, but is True"):
        check_type(True, int, "a number")


def test_settings_are_plain_data():
    check_plain({"a": [1, 2.0, None, {"b": "c"}], "d": (True,)})
    with pytest.raises(Problem, match=r"^train.x.1: is of type ndarray: the settings"):
        check_plain({"x": [1, np.zeros(2)]}, "train")
    with pytest.raises(Problem, match=r"^train.3: must be a name, but is 3"):
        check_plain({3: 1}, "train")
    assert plain({"a": (1, 2)}) == {"a": [1, 2]}
