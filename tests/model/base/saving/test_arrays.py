from __future__ import annotations

import json

import numpy as np
import pytest

from scpi.model.base.saving._arrays import can_hold, read_arrays, write_arrays

DTYPES = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]


def file_of(header, data=b"", *, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (2, 0)])
def test_arrays_come_back(dtype, shape, tmp_path):
    array = np.random.default_rng(0).uniform(0, 2, shape).astype(dtype)
    write_arrays(tmp_path / "a", {"x.y": array, "odd": np.zeros(3, dtype="u1")})
    read = read_arrays(tmp_path / "a")
    assert set(read) == {"x.y", "odd"}
    assert read["x.y"].dtype == array.dtype and read["x.y"].shape == shape
    np.testing.assert_array_equal(read["x.y"], array)


def test_special_values_orders_and_strides_come_back(tmp_path):
    numbers = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-310])
    table = np.arange(12.0).reshape(3, 4)
    write_arrays(
        tmp_path / "a", {"n": numbers, "f": np.asfortranarray(table), "s": table[::2, ::-1], "b": table.astype(">f8")}
    )
    read = read_arrays(tmp_path / "a")
    assert read["n"].tobytes() == numbers.tobytes()
    for name, expected in {"f": table, "s": table[::2, ::-1], "b": table}.items():
        np.testing.assert_array_equal(read[name], expected)


def test_the_layout_is_that_of_safetensors(tmp_path):
    write_arrays(tmp_path / "a", {"b": np.array([True]), "w": np.array([[1.0, 2.0]], dtype=np.float32)})
    content = (tmp_path / "a").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert json.loads(content[8 : 8 + length]) == {
        "w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
        "b": {"dtype": "BOOL", "shape": [1], "data_offsets": [8, 9]},
    }
    assert content[8 + length :] == np.array([1.0, 2.0], dtype="<f4").tobytes() + b"\x01"


def test_metadata_of_other_writers_is_passed_over(tmp_path):
    entry = {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}
    (tmp_path / "a").write_bytes(file_of({"__metadata__": {"format": "pt"}, "x": entry}, b"\x05\x06"))
    assert read_arrays(tmp_path / "a")["x"].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("dtype", "held"), [("f4", True), (">i8", True), ("c16", False), ("O", False), ("M8[s]", False)]
)
def test_numbers_can_be_held(dtype, held):
    assert can_hold(np.empty(0, dtype=dtype)) is held


HUGE = 10**30


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x00",
        file_of(b"{}", length=2**63),
        file_of(b"{}", length=3),
        file_of(b"no JSON"),
        file_of([1]),
        file_of({"x": 3}),
        file_of({"x": {"dtype": "F32", "shape": [1]}}, bytes(4)),
        file_of({"x": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [-1, -1], "data_offsets": [0, 4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}, bytes(4)),
        file_of({"x": {"dtype": "F32", "shape": [HUGE, 0], "data_offsets": [0, 0]}}),
        file_of({"x": {"dtype": "F32", "shape": [1] * 200, "data_offsets": [0, 4]}}, bytes(4)),
        file_of(b"[" * 100_000),
    ],
    ids=range(19),
)
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises((ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)):
        read_arrays(tmp_path / "a")
