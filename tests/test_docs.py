from __future__ import annotations

import pytest

from scpi._docs import FRAGMENTS, fill


def test_fill_puts_a_fragment_in_the_indentation_of_its_line(monkeypatch):
    monkeypatch.setitem(FRAGMENTS, "thing", "\n        thing\n            What it is.\n\n            More.\n        ")

    @fill
    def function(thing):
        """Do.

        Parameters
        ----------
        %(thing)s
        other
            100 % and %s stay.
        """

    assert function.__doc__ == (
        "Do.\n\nParameters\n----------\nthing\n    What it is.\n\n    More.\nother\n    100 % and %s stay."
    )


def test_fill_keeps_deeper_indentation(monkeypatch):
    monkeypatch.setitem(FRAGMENTS, "thing", "\n  a\n    b")

    def function():
        """Do.

        See:
            %(thing)s
        """

    assert fill(function).__doc__ == "Do.\n\nSee:\n    a\n      b"


def test_a_fragment_may_contain_another(monkeypatch):
    monkeypatch.setitem(FRAGMENTS, "inner", "\n    b\n        What b is.\n    ")
    monkeypatch.setitem(FRAGMENTS, "outer", "\n    a\n        What a is.\n    %(inner)s\n    ")

    def function():
        """Do.

        %(outer)s
        """

    assert fill(function).__doc__ == "Do.\n\na\n    What a is.\nb\n    What b is."


def test_fill_needs_no_docstring():
    def function():
        pass

    assert fill(function) is function
    assert function.__doc__ is None


def test_an_unknown_fragment_is_an_error():
    def function():
        """Do.

        %(nothing)s
        """

    with pytest.raises(KeyError, match="nothing"):
        fill(function)


@pytest.mark.parametrize("name", sorted(FRAGMENTS))
def test_a_fragment_describes_the_parameter_of_its_name(name):
    first, second = FRAGMENTS[name].splitlines()[1:3]
    # A name may stand for several parameters; it is then that of the last one
    assert name.endswith(first.split(",")[-1].strip().lstrip("*"))
    if set(second.strip()) == {"-"}:  # a whole section
        return
    assert len(second) - len(second.lstrip()) == len(first) - len(first.lstrip()) + 4
