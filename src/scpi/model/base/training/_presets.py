"""Presets: settings of models, chosen together by name and changed one by one."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypedDict, TypeVar

import numpy as np

from scpi._unknown import keywords, refuse_unknown

P = TypeVar("P")


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _are_whole(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_whole, value))


# Annotation of an attribute, the check of its values, and how messages describe them; `Rules` checks choices
_TYPES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "bool": (lambda value: isinstance(value, bool | np.bool_), "True or False"),
    "tuple[int, ...]": (_are_whole, "a sequence of whole numbers"),
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Allowed values of the settings of a model; settings that a preset lacks are ignored."""

    choices: Mapping[str, Sequence[Any]]
    """Values that a setting may have."""
    least: Mapping[str, float]
    """Least value of a setting that is not `None`."""
    positive: Sequence[str] = ()
    """Settings above 0."""
    shares: Sequence[str] = ()
    """Settings from 0 to below 1."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Refuse values outside their range."""
        for name, choices in self.choices.items():
            if name in values and values[name] not in choices:
                msg = f"`{name}` must be one of {list(choices)}, got {values[name]!r}."
                raise ValueError(msg)
        for name, least in self.least.items():
            if values.get(name) is not None and values[name] < least:
                msg = f"`{name}` must be at least {least}, got {values[name]}."
                raise ValueError(msg)
        for name in self.positive:
            if name in values and not values[name] > 0:
                msg = f"`{name}` must be above 0, got {values[name]}."
                raise ValueError(msg)
        for name in self.shares:
            if name in values and not 0 <= values[name] < 1:
                msg = f"`{name}` must be at least 0 and below 1, got {values[name]}."
                raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class TrainingPreset:
    """Training of a network.

    Attributes
    ----------
    lr
        Learning rate.
    batch_size
        Maximum number of cells, or of pairs of cells, in a batch.
    train_size
        Fraction of the cells of each condition to train on.
    restore_best
        Whether to return to the epoch with the lowest validation loss.
    early_stopping, patience
        Whether to stop when that loss has not fallen for ``patience`` epochs. ``None`` stops early if there are
        validation cells.
    """

    lr: float = 1e-3
    batch_size: int = 128
    train_size: float = 0.9
    restore_best: bool = False
    early_stopping: bool | None = False
    patience: int = 25


class TrainingSettings(TypedDict, total=False):
    """The same by keyword, for editors and type checkers."""

    lr: float
    batch_size: int
    train_size: float
    restore_best: bool
    early_stopping: bool | None
    patience: int


def choose_preset(model: type, presets: Mapping[str, P], name: str, changes: Mapping[str, Any], rules: Rules) -> P:
    """Return a preset of a model, with changes that are checked against the rules.

    Raises
    ------
    ValueError
        If there is no such preset, or a value is out of its range.
    TypeError
        If there is no such attribute, or a value is of another type.
    """
    if name not in presets:
        msg = f"`preset` must be one of {sorted(presets)}, got {name!r}."
        raise ValueError(msg)
    preset: Any = presets[name]
    known = {field.name for field in fields(preset)}
    arguments = keywords(model) - {"adata", "registry"}
    refuse_unknown(sorted(set(changes) - known), known | arguments, owner=model.__name__, kind="setting")
    for field in fields(preset):
        _check_type(field.name, str(field.type), changes)
    chosen: Any = replace(preset, **changes)
    rules.check(asdict(chosen))
    return chosen


def _check_type(name: str, annotation: str, changes: Mapping[str, Any]) -> None:
    """Refuse a value whose type does not match the annotation of the attribute."""
    kind = annotation.removesuffix(" | None")
    if name not in changes or kind not in _TYPES or (changes[name] is None and kind != annotation):
        return
    fits, words = _TYPES[kind]
    if not fits(changes[name]):
        msg = f"`{name}` must be {words}, got {changes[name]!r}."
        raise TypeError(msg)


def at_least(value: int, least: int, name: str) -> int:
    """Return ``value``, or raise an error that names the argument if it is below ``least``."""
    if value < least:
        msg = f"`{name}` must be at least {least}, got {value}."
        raise ValueError(msg)
    return value
