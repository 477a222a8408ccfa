from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.model.base.saving._frames import put_together, take_apart


def there_and_back(value):
    if isinstance(value, list):
        return [there_and_back(item) for item in value]
    apart = take_apart(value)
    return (
        value
        if apart is None
        else put_together(apart[0], {name: there_and_back(part) for name, part in apart[1].items()})
    )


INDICES = [
    pd.RangeIndex(2, 9, 3, name="r"),
    pd.Index([1, 2], name="epoch"),
    pd.Index([1.5, np.nan]),
    pd.Index(["a", "b"], dtype=object, name=("x", 1)),
    pd.Index(["a", None], dtype="string"),
    pd.CategoricalIndex(["b", None, "a"], categories=["b", "a", "c"], ordered=True, name="c"),
    pd.Index([True, False]),
]


@pytest.mark.parametrize("index", INDICES, ids=lambda index: f"{type(index).__name__}-{index.dtype}")
def test_indices_come_back(index):
    pd.testing.assert_index_equal(there_and_back(index), index, exact=True)


COLUMNS = {
    "float32": np.array([1.5, np.nan], dtype=np.float32),
    "object": np.array(["a", 1.5], dtype=object),
    "words": np.array(["a", "b"], dtype=object),
    "bool": np.array([True, False]),
    "category": pd.Categorical(["x", None], categories=["y", "x"]),
    "of numbers": pd.Categorical([2, 1]),
    "Int64": pd.array([1, None], dtype="Int64"),
    "boolean": pd.array([None, True], dtype="boolean"),
    "string": pd.array(["a", None], dtype="string"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_series_come_back(name):
    series = pd.Series(COLUMNS[name], index=["i", "j"], name=name, dtype=COLUMNS[name].dtype)
    pd.testing.assert_series_equal(there_and_back(series), series)


def test_frames_come_back():
    columns = [pd.Series(values, dtype=values.dtype) for values in COLUMNS.values()]
    frame = (
        pd.concat(columns, axis=1)
        .set_axis([*list(COLUMNS)[:-1], "bool"], axis=1)
        .rename_axis(columns="what", index="row")
    )
    pd.testing.assert_frame_equal(there_and_back(frame), frame)


def test_an_empty_frame_comes_back():
    frame = pd.DataFrame(index=pd.Index(["a"], dtype=object))
    pd.testing.assert_frame_equal(there_and_back(frame), frame)


@pytest.mark.parametrize("value", [1, "a", None, np.arange(3), pd.Timestamp(0), pd.MultiIndex.from_tuples([(1, 2)])])
def test_others_are_not_taken_apart(value):
    assert take_apart(value) is None


def test_words_of_pandas_3_are_objects_before(monkeypatch):
    monkeypatch.setattr(pd.api.types, "pandas_dtype", lambda dtype: np.dtype("U"))
    made = put_together("nullable", {"dtype": "str", "items": ["a", None]})
    assert made.dtype == object and made.tolist() == ["a", None]


@pytest.mark.parametrize(("kind", "parts"), [("pickle", {}), ("nullable", {"dtype": "object", "items": []})])
def test_unknown_kinds_are_refused(kind, parts):
    with pytest.raises(ValueError, match=f"nothing of the kind '{kind}'"):
        put_together(kind, parts)
