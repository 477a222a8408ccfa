"""A file of named arrays in the layout of safetensors: a header in JSON, then their bytes."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_DTYPES: Final = {
    "BOOL": np.dtype("?"),
    **{f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}") for kind in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_CODES: Final = {dtype: code for code, dtype in _DTYPES.items()}
# Bytes of the length of the header, and what its end is aligned to
_WORD: Final = 8


def can_hold(array: NDArray[Any]) -> bool:
    """Whether the file can hold an array: of numbers or booleans."""
    return array.dtype.newbyteorder("<") in _CODES


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name; the largest items come first, so that all of them are aligned."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header, position = {}, 0
    for name, array in ordered:
        offsets = position, position + array.nbytes
        code = _CODES[array.dtype.newbyteorder("<")]
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": offsets}
        position = offsets[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _WORD)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_WORD, "little") + text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name, which share the memory of the file.

    Raises
    ------
    ValueError, TypeError, LookupError, ArithmeticError
        If the file is not what :func:`write_arrays` writes. Nothing larger than the file is allocated.
    """
    content = np.fromfile(path, dtype=np.uint8)
    start = _WORD + int.from_bytes(content[:_WORD].tobytes(), "little")
    if start > content.size:
        msg = "the header is longer than the file"
        raise ValueError(msg)
    header, data = json.loads(content[_WORD:start].tobytes()), content[start:]
    return {name: _view(data, **entry) for name, entry in header.items() if name != "__metadata__"}


def _view(data: NDArray[np.uint8], dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    """An array of the file, whose place and shape agree."""
    first, last = data_offsets
    numbers = [first, last, *shape]
    fits = all(type(number) is int and number >= 0 for number in numbers) and first <= last <= data.size
    if not fits or math.prod(shape) * _DTYPES[dtype].itemsize != last - first:
        msg = f"an array of shape {shape} does not lie at {data_offsets}"
        raise ValueError(msg)
    return data[first:last].view(_DTYPES[dtype]).reshape(shape)
