"""Values as JSON can hold them, with arrays in a file of their own.

What JSON has stands for itself: ``null``, booleans, whole and finite numbers, words, lists, and dictionaries whose keys
are words. Everything else is a dictionary whose entry ``"$"`` says what it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from scpi.model.base.saving._arrays import can_hold
from scpi.model.base.saving._frames import put_together, take_apart

Arrays = dict[str, NDArray[Any]]

_KIND: Final = "$"
_PLAIN: Final = {type(None), bool, int, str}


def encode(value: Any, where: str, arrays: Arrays) -> Any:
    """A value for JSON, whose arrays are put into ``arrays`` under names that begin with ``where``.

    Raises
    ------
    TypeError
        If the value, or one in it, is neither a number, a word, a container, an array nor of pandas.
    """
    kind = type(value)
    if kind in _PLAIN or (kind is float and math.isfinite(value)):
        return value
    if kind is list:
        if _PLAIN.issuperset(map(type, value)):
            return value
        return [encode(item, f"{where}[{place}]", arrays) for place, item in enumerate(value)]
    if isinstance(value, Mapping):
        return _encode_mapping(value, where, arrays)
    if kind is float:
        found: tuple[str, dict[str, Any]] | None = ("float", {"value": repr(value)})
    elif kind is tuple:
        found = "tuple", {"items": list(value)}
    elif isinstance(value, torch.Tensor):
        return _encode_tensor(value, where, arrays)
    elif isinstance(value, np.generic):
        found = "scalar", {"array": np.asarray(value)}
    elif isinstance(value, np.ndarray):
        return _encode_array(value, where, arrays)
    else:
        found = take_apart(value)
    if found is None:
        msg = (
            f"`{where}` of the model cannot be saved, for it is a {kind.__module__}.{kind.__qualname__}: use numbers, "
            "words, lists, tuples, dictionaries, arrays or data frames."
        )
        raise TypeError(msg)
    return {_KIND: found[0]} | {name: encode(part, f"{where}.{name}", arrays) for name, part in found[1].items()}


def decode(value: Any, arrays: Arrays) -> Any:
    """The value that was encoded.

    Raises
    ------
    ValueError, TypeError, LookupError, ArithmeticError, RecursionError
        If it is not what :func:`encode` makes.
    """
    if isinstance(value, list):
        return [decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    parts = {name: decode(part, arrays) for name, part in value.items() if name != _KIND}
    match value.get(_KIND):
        case None:
            return parts
        case "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[parts["value"]]
        case "tuple":
            return tuple(parts["items"])
        case "dict":
            return dict(zip(parts["keys"], parts["values"], strict=True))
        case "scalar":
            return parts["array"][()]
        case "array":
            # A copy, for the file is larger
            return arrays[parts["name"]].copy()
        case "objects":
            return _objects(**parts)
        case "tensor":
            tensor = torch.from_numpy(arrays[parts["name"]])
            return tensor.view(torch.bfloat16) if parts["bfloat16"] else tensor
        case kind:
            return put_together(kind, parts)


def _encode_mapping(value: Mapping[Any, Any], where: str, arrays: Arrays) -> dict[str, Any]:
    if all(type(key) is str for key in value) and _KIND not in value:
        return {key: encode(item, f"{where}.{key}" if where else key, arrays) for key, item in value.items()}
    parts = {"keys": list(value), "values": list(value.values())}
    return {_KIND: "dict"} | {name: encode(part, f"{where}.{name}", arrays) for name, part in parts.items()}


def _encode_tensor(value: torch.Tensor, where: str, arrays: Arrays) -> dict[str, Any]:
    value = value.detach().cpu()
    # NumPy lacks this one
    bfloat16 = value.dtype == torch.bfloat16
    numbers = (value.view(torch.int16) if bfloat16 else value).numpy()
    return {_KIND: "tensor", "bfloat16": bfloat16, "name": _put(numbers, where, arrays)}


def _encode_array(value: NDArray[Any], where: str, arrays: Arrays) -> dict[str, Any]:
    if value.dtype.kind in "OUT":
        items = encode(value.ravel().tolist(), where, arrays)
        return {_KIND: "objects", "dtype": value.dtype.kind, "shape": list(value.shape), "items": items}
    return {_KIND: "array", "name": _put(value, where, arrays)}


def _objects(dtype: str, shape: list[int], items: list[Any]) -> NDArray[Any]:
    """An array of words or objects."""
    # Filled one by one, for NumPy would make an array of items that are sequences
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    wanted: Any = {"O": object, "U": str, "T": np.dtypes.StringDType() if dtype == "T" else None}[dtype]
    return array.astype(wanted).reshape(shape)


def _put(numbers: NDArray[Any], where: str, arrays: Arrays) -> str:
    """Name under which an array is kept."""
    if not can_hold(numbers):
        msg = f"`{where}` of the model cannot be saved, for it is an array of {numbers.dtype}: convert it to numbers."
        raise TypeError(msg)
    while where in arrays:
        where += "'"
    arrays[where] = numbers
    return where
