from __future__ import annotations

import pytest

from scpi.pl._cut import cut_names, inches, shorten


def test_short_texts():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde\u2026"
    # No space, comma or hyphen before the ellipsis
    assert shorten("abcd, efgh", 7) == "abcd\u2026"


def test_names_that_would_be_equal_keep_their_ends():
    names = cut_names(["a name that ends in one", "a name that ends in two", "short"], 12)
    assert len(set(names)) == 3
    assert all(len(name) <= 12 for name in names)
    assert names[0].endswith("one")
    assert names[2] == "short"


def test_length_of_the_longest_line():
    assert inches(["ab", "abcd\nabcdefgh"]) == pytest.approx(8 * inches(["a"]))
    assert inches([]) == 0.0
