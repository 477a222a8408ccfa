"""Linear combinations of named quantities, such as "(A + B) / 2 - ctrl", as weights of these."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import numpy as np

from scpi._slots import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"[\d.]+(e[+-]?\d+)?", re.IGNORECASE)
_PLACEHOLDER = "_name{}_"


def linear_combination(text: str, names: Iterable[str]) -> dict[str, float]:
    """Read a linear combination.

    Parameters
    ----------
    text
        Names, numbers, `+`, `-`, `*`, `/` and parentheses. A name may hold any characters, operators included: of several
        that fit, the longest is meant. A name that is a number stands within backticks; others may.
    names
        Known names.

    Returns
    -------
    Weights of the names that are not zero.

    Raises
    ------
    ValueError
        If it cannot be read, holds an unknown name, is not linear, has a constant, or is zero.

    Examples
    --------
    >>> linear_combination("(A + B) / 2 - `0`", ["A", "B", "A+B", "0"])
    {'A': 0.5, 'B': 0.5, '0': -1.0}
    """
    known = [str(name) for name in names]
    if text in known:
        return {text: 1.0}
    code, order = _with_placeholders(text, known)
    try:
        tree = ast.parse(code, mode="eval").body
    except SyntaxError as error:
        msg = f"The contrast {text!r} cannot be read: {_advice(known)}"
        raise ValueError(msg) from error
    constant, weights = _evaluate(tree, {_PLACEHOLDER.format(i): name for i, name in enumerate(order)}, text, known)
    found = {name: weight for name, weight in weights.items() if weight != 0}
    finite = bool(np.isfinite([constant, *found.values()]).all())
    if constant != 0 or not found or not finite:
        what = "is not finite" if not finite else "has a constant" if constant != 0 else "is zero"
        msg = f"The contrast {text!r} {what}: it must be a sum of groups or coefficients, with weights."
        raise ValueError(msg)
    return found


def _advice(known: list[str]) -> str:
    return (
        f"write it as in 'A - B' or '(A + B) / 2 - C', of these names: {listed(known)}. A name that is a number stands "
        "within backticks."
    )


def _with_placeholders(text: str, known: list[str]) -> tuple[str, list[str]]:
    """The text with identifiers that Python can read instead of names, and the names in the order of these."""
    order: dict[str, int] = {}

    def replace(match: re.Match[str]) -> str:
        name = match["quoted"] if match["quoted"] is not None else match["plain"]
        return f" {_PLACEHOLDER.format(order.setdefault(name, len(order)))} "

    by_length = sorted(known, key=len, reverse=True)
    quoted = "|".join(map(re.escape, by_length))
    # A part of a word is no name, and what reads as a number is one
    plain = "|".join(
        rf"{_edge(name[0], '(?<!')}{re.escape(name)}{_edge(name[-1], '(?!')}"
        for name in by_length
        if name and not _NUMBER.fullmatch(name)
    )
    pattern = rf"`(?P<quoted>{quoted})`" + (rf"|(?P<plain>{plain})" if plain else r"|(?P<plain>(?!))")
    return re.sub(pattern, replace, text).strip(), list(order)


def _edge(character: str, opening: str) -> str:
    return rf"{opening}[\w.])" if re.match(r"[\w.]", character) else ""


def _evaluate(node: ast.expr, names: dict[str, str], text: str, known: list[str]) -> tuple[float, dict[str, float]]:
    """Constant and weights of a part of the expression."""
    match node:
        case ast.Name(id=identifier) if identifier in names:
            return 0.0, {names[identifier]: 1.0}
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value), {}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            factor = -1.0 if isinstance(sign, ast.USub) else 1.0
            return _scaled(_evaluate(operand, names, text, known), factor)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):
            first = _evaluate(left, names, text, known)
            second = _scaled(_evaluate(right, names, text, known), -1.0 if isinstance(sign, ast.Sub) else 1.0)
            weights = dict(first[1])
            for name, weight in second[1].items():
                weights[name] = weights.get(name, 0.0) + weight
            return first[0] + second[0], weights
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as sign, right=right):
            first, second = (_evaluate(side, names, text, known) for side in (left, right))
            if isinstance(sign, ast.Mult) and not first[1]:
                first, second = second, first
            if second[1] or (isinstance(sign, ast.Div) and second[0] == 0):
                msg = f"The contrast {text!r} is not linear: groups and coefficients can be multiplied by numbers only."
                raise ValueError(msg)
            return _scaled(first, second[0] if isinstance(sign, ast.Mult) else 1.0 / second[0])
    # A name that nobody knows, a call, or what else is no arithmetic
    part = re.sub(r"_name\d+_", lambda match: names.get(match[0], match[0]), ast.unparse(node))
    msg = f"The contrast {text!r} has {part!r}, which is unknown: {_advice(known)}"
    raise ValueError(msg)


def _scaled(part: tuple[float, dict[str, float]], factor: float) -> tuple[float, dict[str, float]]:
    return part[0] * factor, {name: weight * factor for name, weight in part[1].items()}
