"""What a result depends on, as a short word."""

from __future__ import annotations

import hashlib
import inspect
import json
import pickle
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scpi._screen._blocks import blocks
from scpi._screen._matrix import is_stored

_N_BYTES = 16
_RELEASED = frozenset({"scpi", "scvi", "torch", "lightning", "builtins", "abc"})


def fingerprint(value: Any) -> str:
    """Hash of a value by its content: 32 hexadecimal digits, which are the same in another process.

    The value is made of numbers, text, arrays, tables, sparse matrices, classes and functions, collections of these, or
    anything that can be pickled; else there is a `TypeError`. The order of a mapping does not matter.
    """
    return _hash(json.dumps(describe(value), sort_keys=True).encode())


def describe(value: Any) -> Any:
    """What :func:`fingerprint` takes, as JSON can hold it, with the hash of what is large."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, np.generic):
        return describe(value.item())
    if isinstance(value, np.ndarray | pd.DataFrame | pd.Series | pd.Index) or sparse.issparse(value):
        kind = "sparse" if sparse.issparse(value) else type(value).__name__
        return f"{kind} {_of_array(value)}"
    if is_stored(value):
        return _of_stored(value)
    if isinstance(value, Path | Enum):
        return str(value)
    if inspect.isclass(value) or inspect.isroutine(value):
        return _of_code(value)
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(describe(item), sort_keys=True) for item in value)
    if isinstance(value, Iterable) and isinstance(value, list | tuple):
        return [describe(item) for item in value]
    try:
        content = pickle.dumps(value)
    except Exception as error:
        msg = f"A value of type {type(value).__name__} cannot be described, so that no result can be kept for it."
        raise TypeError(msg) from error
    return f"{type(value).__module__}.{type(value).__qualname__} {_hash(content)}"


def _of_array(value: Any) -> str:
    """Hash of an array or table by its content."""
    if sparse.issparse(value):
        rows = value.tocsr()
        return fingerprint([list(rows.shape), rows.data, rows.indices.astype(np.int64), rows.indptr.astype(np.int64)])
    if isinstance(value, pd.DataFrame):
        return fingerprint([[str(name), value[name]] for name in value.columns])
    if isinstance(value, pd.Series | pd.Index):
        return fingerprint(np.asarray(value.astype(object)))
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        words = [repr(item) for item in array.ravel().tolist()]
        return _hash(json.dumps([list(array.shape), words]).encode())
    return _of_parts([array], array.dtype, array.shape)


def _of_stored(values: Any) -> str:
    """What the same matrix in memory is described by, from blocks of its rows."""
    total, dtype, is_sparse = 0, np.dtype(np.float32), False
    for block in blocks(values, 0):
        is_sparse, dtype = sparse.issparse(block.values), block.values.dtype
        total += block.values.nnz if is_sparse else block.values.size
    if not is_sparse:
        parts = (block.values for block in blocks(values, 0))
        return f"ndarray {_of_parts(parts, dtype, values.shape)}"
    n_rows = values.shape[0]
    ends = np.zeros(n_rows + 1, dtype=np.int64)
    for block in blocks(values, 0):
        ends[block.rows.start + 1 : block.rows.stop + 1] = np.diff(block.values.indptr)
    data = _of_parts((block.values.data for block in blocks(values, 0)), dtype, (total,))
    indices = _of_parts(
        (block.values.indices.astype(np.int64) for block in blocks(values, 0)), np.dtype(np.int64), (total,)
    )
    described = [list(values.shape), f"ndarray {data}", f"ndarray {indices}", describe(np.cumsum(ends))]
    return f"sparse {fingerprint(described)}"


def _of_parts(parts: Iterable[Any], dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """Hash of an array of numbers that comes in parts, as of the whole one."""
    found = hashlib.blake2b(_described(dtype, shape), digest_size=_N_BYTES)
    for part in parts:
        found.update(np.ascontiguousarray(part).view(np.uint8).reshape(-1).data)
    return found.hexdigest()


def _described(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"{dtype.str} {shape} ".encode()


def _of_code(value: Any) -> Any:
    """Name of a class or function, and the source of what is not a released package's."""
    name = f"{value.__module__}.{value.__qualname__}"
    if inspect.isclass(value):
        return [name, *(_source(cls) for cls in value.__mro__ if _is_own(cls.__module__))]
    return [name, _source(value)] if _is_own(value.__module__) else name


def _is_own(module: str | None) -> bool:
    """Whether code may change without a new version: that of scripts and notebooks."""
    return module is not None and module.partition(".")[0] not in _RELEASED


def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        # Typed into an interpreter
        return ""


def _hash(*parts: Any) -> str:
    found = hashlib.blake2b(digest_size=_N_BYTES)
    for part in parts:
        found.update(part)
    return found.hexdigest()
