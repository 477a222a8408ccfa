from __future__ import annotations

import collections
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch

from scpi.model.base.saving._values import decode, encode


def there_and_back(value):
    arrays = {}
    text = json.dumps(encode(value, "value", arrays), allow_nan=False)
    return decode(json.loads(text), arrays)


def same(left, right):
    """Whether two values are the same, with their types."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and left.shape == right.shape and same(left.tolist(), right.tolist())
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    return left == right or (left != left and right != right)


VALUES = [
    *(None, True, False, 0, -1, 10**30, "", 'a\n"é\U0001f600', 0.1, 1e-320, -0.0, 5e300),
    *(math.nan, math.inf, -math.inf),
    *([], (), {}, [1, (2, [3.5, None])], ((),), [math.nan]),
    {"a": {"b": (1, 2)}},
    {1: "one", None: 2, (1, "a"): [3], 2.5: {}, False: 4},
    {"$": "tuple", "items": [1]},
    {"a.b": np.arange(2), "a": {"b": np.arange(3)}},
    *(np.float32(0.1), np.float64(0.1), np.int8(-3), np.bool_(True), np.str_("x"), np.uint64(2**64 - 1)),
    *(np.array(value) for value in (1, [], [True, False], [[1.5, np.nan]], ["a", "bcd"], [[""]])),
    np.array(["a", None, 1.5, (1, 2), [3]], dtype=object),
    np.empty((0, 3), dtype=object),
    np.array(["a", "bc"], dtype=np.dtypes.StringDType()),
    *(np.zeros((2, 2), dtype=dtype) for dtype in ("f2", "f4", "i1", "u4")),
    *(torch.arange(6).reshape(2, 3).to(dtype) for dtype in (torch.float32, torch.bfloat16, torch.bool, torch.int64)),
    *(torch.tensor(1.5), torch.empty(0, 3), torch.ones(2, 3).T),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}")
def test_values_come_back(value):
    assert same(there_and_back(value), value)


def test_the_sign_of_zero_comes_back():
    assert math.copysign(1, there_and_back(-0.0)) == -1


def test_other_dictionaries_become_dictionaries():
    for value in (collections.defaultdict(list, a=1), collections.OrderedDict(a=1)):
        assert same(there_and_back(value), {"a": 1})


def test_gradients_are_left_out():
    tensor = there_and_back(torch.ones(2, requires_grad=True) * 2)
    assert tensor.tolist() == [2, 2]
    assert not tensor.requires_grad


def test_pandas_comes_back():
    frame = pd.DataFrame({"loss": np.array([0.5, np.nan], dtype=object)}, index=pd.Index([3, 5], name="epoch"))
    pd.testing.assert_frame_equal(there_and_back({"a": [frame]})["a"][0], frame)


class Private:
    pass


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Private(), r"`value` of the model .* is a .*test_values\.Private: use numbers"),
        ({"a": [1, (2, Private())]}, r"`value\.a\[1\]\.items\[1\]` of the model"),
        ({1, 2}, "is a builtins.set"),
        (len, "is a builtins.builtin_function"),
        (np.array(["2020"], dtype="M8[D]"), r"is an array of datetime64\[D\]"),
        (np.array([1j]), "is an array of complex128"),
        (np.array([Private()], dtype=object), r"`value\[0\]` of the model"),
        (pd.MultiIndex.from_tuples([(1, 2)]), "is a pandas.*MultiIndex"),
    ],
)
def test_what_cannot_be_saved_is_named(value, message):
    with pytest.raises(TypeError, match=message):
        encode(value, "value", {})


@pytest.mark.parametrize(
    "value",
    [
        {"$": "array", "name": "../other"},
        {"$": "array"},
        {"$": "object", "module": "os", "name": "system"},
        {"$": ["tuple"]},
        {"$": "float", "value": "1e5"},
        {"$": "dict", "keys": [1], "values": []},
        {"$": "dict", "keys": [[]], "values": [1]},
        {"$": "objects", "dtype": "O", "shape": [10**12], "items": []},
        {"$": "objects", "dtype": "V", "shape": [0], "items": []},
        {"$": "objects", "dtype": "O", "shape": [0], "items": [], "more": 1},
        {"$": "range", "start": 0},
        {"$": "nullable", "dtype": "object", "items": []},
        {"$": "frame", "index": 1, "names": 2, "columns": 3},
        {"$": "categorical", "codes": 1, "categories": 2, "ordered": 3},
    ],
)
def test_what_was_not_encoded_is_refused(value):
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError, AttributeError)):
        decode([value], {})


def test_an_array_does_not_keep_the_memory_of_the_file():
    file = np.arange(100.0)
    value = decode({"$": "array", "name": "a"}, {"a": file[:3]})
    assert value.tolist() == [0.0, 1.0, 2.0]
    assert not np.shares_memory(value, file)
