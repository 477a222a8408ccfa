"""Presets: settings of models, chosen together by name and changed one by one."""

from __future__ import annotations

import inspect
import numbers
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypedDict, TypeVar

import numpy as np

from scpi._unknown import keywords, refuse_unknown

P = TypeVar("P")
C = TypeVar("C", bound=type)

# Columns of a docstring, and the section that follows the description of settings
_WIDTH = 100
_NEXT = re.compile(r"^(?=(Raises|Notes|Examples)\n-+$)", flags=re.MULTILINE)


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


def describe_settings(presets: Mapping[str, Any]) -> Callable[[C], C]:
    """Add all settings of a model that its presets have, with their values there, to its docstring.

    Descriptions are those of the attributes of the presets. Arguments of the model that are ``None`` by default get the
    values only.
    """

    def decorate(model: C) -> C:
        parameters = inspect.signature(model).parameters
        default = str(parameters["preset"].default)
        text = inspect.getdoc(model) or ""
        for field in fields(presets[default]):
            if field.name in parameters and parameters[field.name].default is None:
                entry = re.search(rf"^{field.name}\n(    .*\n)+", text, flags=re.MULTILINE)
                end = len(text) if entry is None else entry.end()
                text = f"{text[:end]}    {_values(presets, default, [field.name])}\n{text[end:]}"
        section = "\n".join(["Other Parameters", "----------------", *_entries(presets, default, set(parameters))])
        model.__doc__ = _NEXT.sub(lambda _: f"{section}\n\n", text, count=1)
        return model

    return decorate


def _entries(presets: Mapping[str, Any], default: str, exclude: set[str]) -> list[str]:
    """Names, descriptions and values of the settings."""
    found, seen = [], set(exclude)
    for cls in type(presets[default]).__mro__:
        attributes = (cls.__doc__ or "").partition("Attributes\n")[2]
        for names, text in _described(inspect.cleandoc("\n" + attributes)):
            left = [name for name in names if name not in seen]
            seen |= set(names)
            if left:
                text = f"{text} {_values(presets, default, left)}"
                body = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
                found += [", ".join(left), *(f"    {line}" for line in body)]
    return found


def _described(attributes: str) -> list[tuple[list[str], str]]:
    """Names of attributes that are described together, and the description."""
    found: list[tuple[list[str], str]] = []
    for line in attributes.splitlines():
        if re.fullmatch(r"\w+(, \w+)*", line):
            found.append((line.split(", "), ""))
        elif found and line.startswith(" "):
            names, text = found[-1]
            found[-1] = names, f"{text} {line.strip()}".strip()
    return found


def _values(presets: Mapping[str, Any], default: str, names: Sequence[str]) -> str:
    """Sentence with the values of settings in the default preset, and those in others where they differ."""

    def value(preset: str, name: str) -> str:
        return f"``{f'{name}=' * (len(names) > 1)}{getattr(presets[preset], name)!r}``"

    parts = [f"Default: {', '.join(value(default, name) for name in names)}"]
    for other, preset in presets.items():
        own = [name for name in names if getattr(preset, name, None) != getattr(presets[default], name)]
        if own and all(hasattr(preset, name) for name in own):
            parts.append(f'preset ``"{other}"``: {", ".join(value(other, name) for name in own)}')
    return f"{'; '.join(parts)}."


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
