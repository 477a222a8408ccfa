from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.de._comparisons import Comparisons, named_contrasts
from scpi.de._design import DesignError

LABELS = pd.Categorical(["a", "b", "c", "d"])
TERMS = {"1": ["Intercept"], "c:s": ["c[T.x]:s[T.m]", "c[T.y]:s[T.m]"], "bs(age, df=2)": ["bs(age, df=2)[1]"]}


def ask(groupby="group", labels=LABELS, **options):
    options = {"groups": "all", "reference": None, "contrasts": None, "coef": None} | options
    return Comparisons.of(labels, groupby, **options)


def weights(asked, present="abcd", names=(), order=()):
    found, missing = asked.within(list(present), names, TERMS, list(order))
    return {one.name: one.weights for one in found}, missing


def test_groups_against_references():
    assert weights(ask(reference="a", groups=["c", "b"])) == ({"c": {"c": 1, "a": -1}, "b": {"b": 1, "a": -1}}, [])
    found, missing = weights(ask(reference=["a", "b"]), present="abc")
    assert found == {f"c - {ref}": {"c": 1, ref: -1} for ref in "ab"}
    assert missing == ["d - a", "d - b"]
    assert ask(reference=["a", "b"]).reference == "a | b"
    found, missing = weights(ask(reference="rest", groups=["a", "d"]), present="abc")
    assert (found, missing) == ({"a": {"a": 1, "b": -0.5, "c": -0.5}}, ["d"])


def test_pairs():
    found, missing = weights(ask(contrasts="pairs"), present="acd")
    assert list(found) == ["c - a", "d - a", "d - c"] and missing == ["b"]
    assert list(weights(ask(contrasts="pairs", groups=["b", "d"]))[0]) == ["d - b"]


def test_contrasts_of_groups_and_coefficients():
    asked = ask(contrasts={"x": "a - b", "y": {"c": 2, "a": 0}, "z": [1.0, 0.0, -1.0]})
    found, missing = weights(asked, present="abc", order=["a", "b", "age"], names=["age"])
    assert found == {"x": {"a": 1, "b": -1}, "y": {"c": 2}, "z": {"a": 1, "age": -1}} and missing == []
    found, missing = weights(ask(contrasts=["a - b", "d - b"]), present="abc")
    assert list(found) == ["a - b"] and missing == ["d - b"]


def test_terms_in_any_order_and_single_coefficients():
    assert list(weights(ask(coef="s : c"))[0]) == ["c[T.x] x s[T.m]", "c[T.y] x s[T.m]"]
    assert list(weights(ask(coef=["bs(age,df=2)", "c[T.y]:s[T.m]"]))[0]) == ["bs(age, df=2)[1]", "c[T.y] x s[T.m]"]
    with pytest.raises(DesignError, match=r"`coef` is 's', but the design has the terms '1', 'c:s'"):
        weights(ask(coef="s"))


def test_contrasts_are_named():
    assert named_contrasts("a - b") == {"a - b": "a - b"}
    assert list(named_contrasts({"a": 1, "b": -1})) == ["a - b"]
    assert list(named_contrasts([{"a": -0.5, "b": 2.0}, "b", np.array([1, 2])])) == [
        "-0.5 * a + 2 * b",
        "b",
        "contrast2",
    ]
    assert list(named_contrasts([1, -1])) == ["contrast0"]
    assert named_contrasts(pd.DataFrame({"x": [1, -1]}, index=["a", "b"])) == {"x": {"a": 1, "b": -1}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give one of `reference`, `contrasts` and `coef`.* not nothing"),
        ({"reference": "a", "coef": "x"}, "not 'reference', 'coef'"),
        ({"reference": "e"}, "must be a group of .* or 'rest', but is 'e'"),
        ({"reference": []}, r"but is \[\]"),
        ({"contrasts": []}, "`contrasts` is empty"),
        ({"contrasts": {"x": 1j}}, "'x' must be text such as 'A - B'.* type complex"),
        ({"contrasts": ["a - b", "a - b"]}, "more than once"),
        ({"contrasts": "a - b", "groups": ["a"]}, "leave out `groups`"),
        ({"contrasts": "pairs", "groups": ["a"]}, "Pairs need two groups"),
        ({"groupby": None, "labels": None, "reference": "a"}, "need `groupby`"),
        ({"groupby": None, "labels": None, "contrasts": "pairs"}, "need `groupby`"),
    ],
)
def test_questions_that_cannot_be_asked(options, message):
    with pytest.raises(ValueError, match=message):
        ask(**options)


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        ("a - q", "has 'q', which is unknown"),
        ({"q": 1.0}, "has 'q', which is unknown"),
        ([1.0, 2.0], "has 2 weights for 3 coefficients: 'a', 'b', 'age'"),
        ([0.0, 0.0, 0.0], "a weight that is not zero"),
        ({"a": np.nan}, "must be finite"),
    ],
)
def test_contrasts_that_do_not_fit_the_design(contrast, message):
    with pytest.raises(DesignError, match=message):
        weights(ask(contrasts={"x": contrast}), order=["a", "b", "age"], names=["age"])
