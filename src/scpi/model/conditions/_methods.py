"""Methods by name."""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from scpi._slots import listed
from scpi.model.conditions._means import ContextMean, Mean, PerturbationMean, ShrunkenMean, Zeros
from scpi.model.conditions._neighbours import Neighbours
from scpi.model.conditions._regression import Ridge, SVDRidge
from scpi.model.conditions._trees import Boosted, Forest
from scpi.model.conditions._xgboost import XGBoost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scpi.model.conditions._rows import Method

METHODS: dict[str, Callable[..., Method]] = {
    "zeros": Zeros,
    "mean": Mean,
    "context_mean": ContextMean,
    "perturbation_mean": PerturbationMean,
    "half_perturbation_mean": partial(PerturbationMean, fraction=0.5),
    "shrunken_mean": ShrunkenMean,
    "ridge": Ridge,
    "knn": Neighbours,
    "svd_ridge": SVDRidge,
    "boosted": Boosted,
    "forest": Forest,
    "xgboost": XGBoost,
}


def make_methods(names: Sequence[str], options: Mapping[str, Any]) -> list[Method]:
    """Create methods by name, each with its options.

    Raises
    ------
    ValueError
        If a method is unknown, or none is given.
    TypeError
        If an option belongs to none of the methods.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        msg = f"`method` must be one or several of {listed(METHODS)}, but is {listed(unknown)}."
        raise ValueError(msg)
    known = {name: _settings(name) for name in names}
    missing = sorted(set(options) - {setting for settings in known.values() for setting in settings})
    if missing:
        msg = f"The options {listed(missing)} belong to none of {listed(names)}, whose options are {known}."
        raise TypeError(msg)
    return [METHODS[name](**{key: options[key] for key in known[name] if key in options}) for name in names]


def describe_methods() -> pd.DataFrame:
    """Table of the methods: what each predicts, and its options with their defaults."""
    rows = []
    for name, make in METHODS.items():
        summary = (inspect.getdoc(_class_of(make)) or "").partition("\n")[0]
        rows.append({"method": name, "predicts": summary, "options": _settings(name)})
    return pd.DataFrame(rows).set_index("method")


def _class_of(make: Any) -> Any:
    return make.func if isinstance(make, partial) else make


def _settings(name: str) -> dict[str, Any]:
    made: Any = METHODS[name]()
    return {field.name: getattr(made, field.name) for field in fields(made)}
