from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi.de._design import DesignError, as_design, group_design, require_residuals

N = 24


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    group = pd.get_dummies(pd.Series(np.tile(["a", "b", "c"], 8)), dtype=float)
    batch = pd.get_dummies(pd.Series(rng.choice(["x", "y", "z"], N)), dtype=float).iloc[:, 1:]
    return pd.concat([group, batch, pd.Series(rng.normal(2020.0, 5.0, N), name="year")], axis=1)


def treatment(frame):
    return frame.rename(columns={"a": "(Intercept)"}).assign(**{"(Intercept)": 1.0})


def check(design, matrix):
    """What a design says of its model matrix."""
    x = np.asarray(matrix, dtype=float)
    inverse = np.linalg.inv(x.T @ x)
    y = np.random.default_rng(1).normal(size=(len(x), 3))
    parts = design.project(y)
    scale = np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(
        design.coefficients(*parts) / scale[:, None], np.linalg.lstsq(x, y)[0] / scale[:, None], atol=1e-7
    )
    np.testing.assert_allclose(design.fitted(*parts), x @ np.linalg.lstsq(x, y)[0], atol=1e-7)
    np.testing.assert_allclose(design.leverage, np.diag(x @ inverse @ x.T), atol=1e-7)
    sparse, dense = design.root
    covariance = (sparse @ sparse.T).toarray() + dense @ dense.T
    np.testing.assert_allclose(covariance / np.outer(scale, scale), inverse / np.outer(scale, scale), atol=1e-6)
    assert design.df_residual == len(x) - x.shape[1]


def test_groups_are_found_in_dummies(frame):
    design = as_design(frame, n_samples=N)
    assert (design.n_groups, design.basis.shape[1]) == (3, 3)
    assert design.names == ("a", "b", "c", "y", "z", "year")
    check(design, frame)


def test_groups_are_found_behind_an_intercept(frame):
    matrix = treatment(frame)
    design = as_design(matrix, n_samples=N)
    assert (design.n_groups, design.basis.shape[1]) == (3, 3)
    check(design, matrix)


def test_groups_may_be_named(frame):
    order = ["y", "z", "year", "a", "b", "c"]
    codes = np.tile([7, 3, 9], 8)
    design = as_design(frame[order], n_samples=N, groups=codes)
    assert design.n_groups == 3
    check(design, frame[order])


def test_groups_that_the_columns_do_not_span_are_no_use(frame):
    matrix = frame[["year", "y"]].assign(one=1.0)
    design = as_design(matrix, n_samples=N, groups=np.arange(N) % 4)
    check(design, matrix)


def test_numbers_only():
    matrix = np.random.default_rng(0).normal(size=(N, 4))
    design = as_design(matrix, n_samples=N)
    assert design.n_groups == 0
    assert design.names == ("x0", "x1", "x2", "x3")
    check(design, matrix)


def test_groups_without_a_matrix(frame):
    codes = np.tile([0, 1, 2], 8)
    design = group_design(codes, ["a", "b", "c"], columns=frame[["y", "z", "year"]], names=["y", "z", "year"])
    check(design, frame)
    check(group_design(codes, ["a", "b", "c"]), frame[["a", "b", "c"]])


def test_aliased_columns_are_named(frame):
    twice = frame.assign(again=frame["b"] + 2.0 * frame["year"], fine=np.arange(N) ** 2)
    with pytest.raises(DesignError, match=r"'again' can be written as sums"):
        as_design(twice, n_samples=N)
    with pytest.raises(DesignError, match="'one'"):
        as_design(frame.assign(one=1.0), n_samples=N)
    with pytest.raises(DesignError, match="'b2' can be written"):
        as_design(frame[["a", "b"]].assign(b2=frame["b"]), n_samples=N)
    with pytest.raises(DesignError, match="'b2', 'c2'"):
        group_design(np.tile([0, 1, 2], 8), ["a", "b", "c"], columns=frame[["b", "c"]], names=["b2", "c2"])


def test_more_columns_than_samples():
    with pytest.raises(DesignError, match="'x3', 'x4' can be written"):
        as_design(np.random.default_rng(0).normal(size=(3, 5)), n_samples=3)


def test_residual_degrees_of_freedom():
    design = as_design(np.eye(3), n_samples=3)
    with pytest.raises(DesignError, match=r"no residual degrees of freedom: 3 sample\(s\) for 3 coefficient"):
        require_residuals(design)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [(np.ones((4, 1)), "24 samples x coefficients"), (np.ones(N), "shape"), (np.full((N, 1), np.nan), "missing")],
)
def test_what_is_no_design(matrix, message):
    with pytest.raises(ValueError, match=message):
        as_design(matrix, n_samples=N)


def test_a_design_for_other_samples(frame):
    with pytest.raises(ValueError, match="24 rows, but there are 9"):
        as_design(as_design(frame, n_samples=N), n_samples=9)


@pytest.mark.parametrize("groups", [None, np.array([0, 0, 1, 1, 2, 2])])
def test_the_matrix_comes_back(groups):
    matrix = np.column_stack([np.ones(6), np.repeat(np.eye(3), 2, axis=0)[:, 1:], [0.0, 1.5, 2.0, 7.0, 1.0, 3.0]])
    found = as_design(matrix, n_samples=6, groups=groups).matrix
    np.testing.assert_array_equal(found[:, :3], matrix[:, :3])
    np.testing.assert_allclose(found, matrix, rtol=1e-11)
