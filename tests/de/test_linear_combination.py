from __future__ import annotations

import pytest

from scpi.de._linear_combination import linear_combination


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("stim - ctrl", ["stim", "ctrl"], {"stim": 1, "ctrl": -1}),
        ("(A + B) / 2 - ctrl", ["A", "B", "ctrl"], {"A": 0.5, "B": 0.5, "ctrl": -1}),
        ("-(A - 2 * B) * 3", ["A", "B"], {"A": -3, "B": 6}),
        # Of several names the longest is meant
        ("A+B - A", ["A", "B", "A+B"], {"A+B": 1, "A": -1}),
        ("A + B - A+B", ["A", "B", "A+B"], {"A": 1, "B": 1, "A+B": -1}),
        ("CD4+ T - B", ["CD4+ T", "B", "T"], {"CD4+ T": 1, "B": -1}),
        ("c[T.b]:s[T.m]", ["c[T.b]", "s[T.m]", "c[T.b]:s[T.m]"], {"c[T.b]:s[T.m]": 1}),
        # Numbers are names within backticks only
        ("`1` - `0`", ["0", "1"], {"1": 1, "0": -1}),
        ("1", ["0", "1"], {"1": 1}),
        ("A / 2 - B / 2", ["A", "B", "2"], {"A": 0.5, "B": -0.5}),
        ("`A-B` - A", ["A-B", "A"], {"A-B": 1, "A": -1}),
        ("A2 - A", ["A", "A2"], {"A2": 1, "A": -1}),
        ("A - B + B", ["A", "B"], {"A": 1}),
    ],
)
def test_combinations(text, names, expected):
    assert linear_combination(text, names) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A - Q", "has 'Q', which is unknown: write it as in .* of these names: 'A', 'B'"),
        ("AB - A", "has 'AB', which is unknown"),
        ("f(A)", r"has 'f\(A\)', which is unknown"),
        ("A * B", "is not linear"),
        ("A / 0", "is not linear"),
        ("2 / A", "is not linear"),
        ("A + 1", "has a constant"),
        ("A - A", "is zero"),
        ("A -", "cannot be read"),
        ("A * 1e999", "is not finite"),
        ("A ** 2", r"has 'A \*\* 2'"),
    ],
)
def test_what_is_no_contrast(text, message):
    with pytest.raises(ValueError, match=message):
        linear_combination(text, ["A", "B"])
