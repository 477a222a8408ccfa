"""Every metric with every kind of array: a right result, or an error that names the remedy.

The metrics are those of the namespace, and their arguments come from the tables of `arrays.py`: a new metric is in the
test by itself.
"""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

from .arrays import ODD, SAME, SPARSE, arguments, is_array, is_of_cells, metrics, takes_sparse
from .compare import differs, leaves
from .test_inputs import is_clear

NAMES = list(metrics())


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def numbers(result):
    return leaves({"result": result})


def call(name, change, *, only=None):
    """The result of a metric, all or one of whose arrays are changed; what it is given stays as it is."""
    given = arguments(name)
    arrays = [key for key, value in given.items() if is_array(value)]
    chosen = arrays if only is None else arrays[only : only + 1]
    given |= {key: change(given[key]) for key in chosen}
    before = copy.deepcopy(given)
    result = metrics()[name](**given)
    for key, value in given.items():
        if is_array(value):
            assert not differs(value, before[key], 0.0), key
    return numbers(result)


def outcome(name, change, **options):
    """Numbers, or `None` after a clear error."""
    try:
        return call(name, change, **options)
    except Exception as error:  # what is raised is the subject
        if not is_clear(error):
            raise
        return None


@pytest.mark.parametrize("name", NAMES)
def test_the_same_numbers_held_in_another_way(name):
    expected = call(name, lambda array: array)
    for kind, change in SAME.items():
        found = call(name, change)
        for path, value in expected.items():
            assert not differs(found[path], value, 1e-9), kind


@pytest.mark.parametrize("name", [name for name in NAMES if is_of_cells(name)])
def test_sparse_cells(name):
    expected = call(name, lambda array: array)
    for kind, change in SPARSE.items():
        found = call(name, change) if takes_sparse(name) else outcome(name, change)
        for path, value in expected.items():
            assert found is None or not differs(found[path], value, 1e-9), kind


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", NAMES)
def test_odd_numbers_give_a_result_or_a_clear_error(name, kind):
    expected = call(name, lambda array: array)
    n_arrays = sum(map(is_array, arguments(name).values()))
    if not n_arrays:
        pytest.skip("no arrays of numbers")
    for only in (None, *range(n_arrays)):
        found = outcome(name, ODD[kind], only=only)
        if found is None:
            continue
        # A ceiling of nothing is nothing
        assert kind not in ("None", "text") or name in ("scaled", "spearman_brown"), "read as numbers"
        if is_of_cells(name) and kind in ("NaN", "infinite"):
            # Of cells, a missing number does not become a number
            assert not all(np.isfinite(value).all() for value in found.values())
        if kind == "1e30" and name != "distance_ratio":  # beside 1e30, all other distances are rounding
            floats = [path for path, value in expected.items() if value.dtype.kind == "f"]
            assert all(np.isfinite(found[path]).all() for path in floats if np.isfinite(expected[path]).all())


@pytest.mark.parametrize("name", NAMES)
def test_arrays_that_do_not_fit_are_an_error(name):
    given = arguments(name)
    arrays = [key for key, value in given.items() if is_array(value)]
    axis = 1 if is_of_cells(name) else 0
    if len(arrays) < 2 or name == "program_auroc":
        pytest.skip("one array")
    for only in range(len(arrays)):
        found = outcome(name, lambda array: np.concatenate([array, array], axis=axis), only=only)
        assert found is None, arrays[only]
