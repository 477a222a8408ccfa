"""Indices, series and data frames as arrays and lists."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.arrays import NumpyExtensionArray

_NULLABLE: Final = {
    *("str", "string", "boolean", "Float32", "Float64"),
    *(f"{sign}nt{bits}" for sign in ("I", "UI") for bits in (8, 16, 32, 64)),
}


def take_apart(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Kind and parts of an object of pandas; ``None`` for all others, and for dates and indices of several levels."""
    match value:
        case pd.DataFrame():
            columns = [_values(value.iloc[:, place].array) for place in range(value.shape[1])]
            return "frame", {"index": value.index, "names": value.columns, "columns": columns}
        case pd.Series():
            return "series", {"index": value.index, "name": value.name, "values": _values(value.array)}
        case pd.RangeIndex():
            return "range", {"start": value.start, "stop": value.stop, "step": value.step, "name": value.name}
        case pd.MultiIndex():
            return None
        case pd.Index():
            return "index", {"values": _values(value.array), "name": value.name}
        case pd.Categorical():
            codes = np.asarray(value.codes)
            return "categorical", {"codes": codes, "categories": value.categories, "ordered": bool(value.ordered)}
        case pd.api.extensions.ExtensionArray() if str(value.dtype) in _NULLABLE:
            items = [None if missing else item for item, missing in zip(value, value.isna(), strict=True)]
            return "nullable", {"dtype": str(value.dtype), "items": items}
    return None


def put_together(kind: str, parts: dict[str, Any]) -> Any:
    """An object of pandas from its parts."""
    match kind:
        case "frame":
            columns = [_series(values, parts["index"]) for values in parts["columns"]]
            frame = pd.DataFrame(dict(enumerate(columns)), index=parts["index"])
            return frame.set_axis(parts["names"], axis=1)
        case "series":
            return _series(parts["values"], parts["index"], parts["name"])
        case "range":
            return pd.RangeIndex(parts["start"], parts["stop"], parts["step"], name=parts["name"])
        case "index":
            return pd.Index(parts["values"], dtype=parts["values"].dtype, name=parts["name"])
        case "categorical":
            return pd.Categorical.from_codes(parts["codes"], parts["categories"], ordered=parts["ordered"])
        case "nullable" if parts["dtype"] in _NULLABLE:
            dtype = pd.api.types.pandas_dtype(parts["dtype"])
            # Before pandas 3, a column of words holds objects
            return np.array(parts["items"], dtype=object) if isinstance(dtype, np.dtype) else _nullable(parts, dtype)
    msg = f"there is nothing of the kind {kind!r}"
    raise ValueError(msg)


def _values(array: Any) -> Any:
    # Not its subclasses, such as an array of words
    return array.to_numpy() if type(array) is NumpyExtensionArray else array


def _series(values: Any, index: pd.Index, name: Any = None) -> pd.Series:
    # Words in an array of objects stay objects
    return pd.Series(values, index=index, name=name, dtype=values.dtype)


def _nullable(parts: dict[str, Any], dtype: Any) -> Any:
    return pd.array(parts["items"], dtype=dtype)
