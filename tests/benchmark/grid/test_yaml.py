from __future__ import annotations

import pytest

from scpi.benchmark.grid._problem import Problem
from scpi.benchmark.grid._yaml import read_yaml

TEXT = """\
models:
  a:
    train: {lr: 1e-3, max_epochs: 010}
    init:
      - NO
      - on
      - true
      - 2026-01-01
seed: -1.5
nothing: ~
text: "1e-3"
"""


def test_numbers_are_numbers_and_words_are_text():
    value, _ = read_yaml(TEXT, "grid.yaml")
    assert value == {
        "models": {"a": {"train": {"lr": 0.001, "max_epochs": 10}, "init": ["NO", "on", True, "2026-01-01"]}},
        "seed": -1.5,
        "nothing": None,
        "text": "1e-3",
    }


def test_every_entry_has_its_line():
    _, lines = read_yaml(TEXT, "grid.yaml")
    assert lines["models", "a", "train", "lr"] == 3
    assert lines["models", "a", "init", 1] == 6
    assert lines["text",] == 11
    assert read_yaml("", "grid.yaml") == (None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", r"grid.yaml, line \d: "),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "grid.yaml, line 4, a.b: is given twice, first on line 2"),
        ("a: !!python/object/apply:os.getcwd []\n", "grid.yaml, line 1: could not determine a constructor"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(text, message):
    with pytest.raises(Problem, match=message):
        read_yaml(text, "grid.yaml")


@pytest.mark.smoke("yaml")
def test_an_entry_may_be_used_again():
    value, lines = read_yaml("a: &x {lr: 1}\nb: {<<: *x, n: 2}\n", "grid.yaml")
    assert value["b"] == {"lr": 1, "n": 2} and lines["b", "n"] == 2
