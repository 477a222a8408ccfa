from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scpi
from scpi.benchmark._fingerprint import fingerprint

X = np.arange(6.0).reshape(2, 3)
VALUES = [
    None,
    True,
    1,
    1.0,
    "1",
    X,
    X.astype(np.float32),
    X.T,
    X.ravel(),
    X + 1e-12,
    sparse.csr_matrix(X),
    pd.DataFrame(X, columns=list("abc")),
    pd.DataFrame(X, columns=list("abd")),
    pd.Series(["a", "b"]),
    pd.Series(["a", None]),
    np.array(["a", "bc"]),
    np.array(["ab", "c"]),
    ["a", "b"],
    ["b", "a"],
    {"a": 1},
    {"a": {"b": 1}},
    scpi.model.MeanDelta,
    scpi.model.NoChange,
    Path("a"),
]


def test_other_content_has_another_word():
    words = [fingerprint(value) for value in VALUES]
    assert all(len(word) == 32 and set(word) <= set("0123456789abcdef") for word in words)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y"}, {"y", "x"}),
        ([1, 2], (1, 2)),
        (np.int64(3), 3),
        (X, np.asfortranarray(X)),
        (sparse.csr_matrix(X), sparse.csc_matrix(X).tocsr()),
        (pd.Categorical(["a", "b"]).astype(object), np.array(["a", "b"], dtype=object)),
    ],
)
def test_the_same_content_has_the_same_word(first, second):
    assert fingerprint(first) == fingerprint(second)


def test_the_word_is_the_same_in_another_process():
    code = "from scpi.benchmark._fingerprint import fingerprint; print(fingerprint([{'b', 'a', 'c'}, {'x': 1.5}]))"
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == fingerprint([{"c", "a", "b"}, {"x": 1.5}])


def test_code_that_may_change_without_a_version_is_part_of_it():
    def one(x):
        return x + 1

    def other(x):
        return x + 2

    other.__qualname__ = one.__qualname__
    assert fingerprint(one) != fingerprint(other)


def test_what_cannot_be_described_is_refused():
    with pytest.raises(TypeError, match="type generator cannot be described"):
        fingerprint({"a": (i for i in range(3))})
