"""Shortening of names that are too long for a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Mean length of a character of 7 points in inches
_CHARACTER = 0.058


def shorten(text: str, n: int) -> str:
    """Cut a text to `n` characters; if it is longer, the last of them is an ellipsis."""
    return text if len(text) <= n else text[: n - 1].rstrip(" ,-") + "\N{HORIZONTAL ELLIPSIS}"


def cut_names(names: Sequence[str], n: int) -> list[str]:
    """Cut names to `n` characters; names that would become equal lose their middle instead of their end."""
    short = [shorten(name, n) for name in names]
    tail = n // 3
    for i, label in enumerate(short):
        if label != names[i] and short.count(label) > 1:
            short[i] = names[i][: n - tail - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}" + names[i][-tail:].lstrip()
    return short


def inches(names: Iterable[str]) -> float:
    """Estimate the length of the longest name in the small font of the figures."""
    return _CHARACTER * max((len(line) for name in names for line in str(name).split("\n")), default=0)
