"""Keywords that nothing takes: what is meant, most likely, and what there is."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NEAR = 0.6


def refuse_unknown(given: Iterable[str], known: Iterable[str], *, owner: str, kind: str) -> None:
    """Raise a `TypeError` that names the nearest spelling if a keyword is not known.

    ``owner`` is what was called, and ``kind`` what its keywords are, such as "setting".
    """
    names = sorted(known)
    for name in given:
        if name not in names:
            msg = f"`{owner}` has no {kind} {name!r}.{nearest(name, names)} There are: {', '.join(names)}."
            raise TypeError(msg)


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence that asks for the nearest spelling, or nothing if none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=_NEAR)
    return f" Did you mean {near[0]!r}?" if near else ""


def keywords(*functions: Callable[..., Any]) -> set[str]:
    """Names of the arguments that the functions take by keyword."""
    return {
        parameter.name
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in {parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD} and parameter.name != "self"
    }
