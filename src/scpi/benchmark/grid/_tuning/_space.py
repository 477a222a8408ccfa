"""Values that a setting may have."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from scpi._optional import import_extra
from scpi.benchmark.grid._problem import Problem, check_choice, check_type

_ENTRIES = ("low", "high", "log", "step")


def check_space(value: Any, *at: str | int) -> None:
    """Refuse what is neither a list of values nor a range of numbers."""
    check_type(value, (list, tuple, Mapping), "a list of values, or {low: ..., high: ...}", *at)
    if not isinstance(value, Mapping):
        if not value:
            raise Problem("is empty: give at least one value.", *at)
        return
    for key in value:
        check_choice(key, _ENTRIES, "entry", *at, key)
    for name in ("low", "high"):
        if name not in value:
            raise Problem(f"has no entry {name!r}.", *at)
        check_type(value[name], (int, float), "a number", *at, name)
    low, high, log, step = value["low"], value["high"], value.get("log", False), value.get("step")
    check_type(log, bool, "true or false", *at, "log")
    check_type(step, (int, float, type(None)), "a number", *at, "step")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise Problem(f"'low' ({low}) must be below 'high' ({high}).", *at)
    if log and (low <= 0 or step is not None):
        raise Problem("a logarithmic range begins above 0 and has no steps.", *at, "log")
    if step is not None and not (0 < step <= high - low and (isinstance(step, int) or not _is_whole(value))):
        raise Problem(
            f"must be above 0 and at most {high - low}, a whole number where 'low' and 'high' are, but is {step}.",
            *at,
            "step",
        )


def distribution(value: Any) -> Any:
    """The values as optuna has them."""
    made = import_extra("optuna").distributions
    if not isinstance(value, Mapping):
        return made.CategoricalDistribution(_names(value))
    low, high, log, step = value["low"], value["high"], value.get("log", False), value.get("step")
    if _is_whole(value):
        return made.IntDistribution(low, high, log=log, step=1 if step is None else step)
    return made.FloatDistribution(float(low), float(high), log=log, step=step)


def setting(value: Any, suggested: Any) -> Any:
    """The value of a setting that optuna suggests."""
    return suggested if isinstance(value, Mapping) else value[_names(value).index(suggested)]


def _is_whole(value: Mapping[str, Any]) -> bool:
    return isinstance(value["low"], int) and isinstance(value["high"], int)


def _names(values: list[Any]) -> list[Any]:
    """Values that optuna can keep: lists and mappings as text."""
    if all(one is None or isinstance(one, bool | int | float | str) for one in values):
        return list(values)
    return [json.dumps(one) for one in values]
