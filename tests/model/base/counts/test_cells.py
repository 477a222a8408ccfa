from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi.model.base.counts._cells import Cells

COUNTS = np.array([[1.0, 0.0, 3.0], [2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 9.0]])
LOGS = np.log1p(COUNTS / np.maximum(COUNTS.sum(1, keepdims=True), 1.0) * 1e4)
UNIT = [2500.0, 1e4 / 3, 0.0, 1000.0]

FORMS = [np.asarray, sparse.csr_matrix, sparse.csc_matrix, lambda x: sparse.csr_matrix(x.astype(np.float32))]


@pytest.mark.parametrize("form", FORMS)
def test_counts_are_read_from_logarithms(form):
    cells = Cells.of_logs(form(LOGS))
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS)
    np.testing.assert_allclose(cells.unit, UNIT, rtol=1e-5)
    np.testing.assert_allclose(cells.units, np.take(UNIT, cells.counts.indices), rtol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_known_counts_give_the_same(form):
    cells = Cells.of_counts(form(COUNTS), form(LOGS))
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS)
    np.testing.assert_allclose(cells.unit, UNIT, rtol=1e-5)
    assert cells.explain(form(LOGS))
    assert not Cells.of_counts(form(COUNTS), form(LOGS / np.log(2.0))).explain(form(LOGS / np.log(2.0)))


def test_values_that_are_no_multiples_keep_what_is_left():
    logs = np.log1p(np.array([[1.0, 2.6, 0.0, 0.9]]))
    cells = Cells.of_logs(logs)
    np.testing.assert_array_equal(cells.counts.toarray(), [[1.0, 3.0, 0.0, 1.0]])
    np.testing.assert_allclose(cells.logs(cells.counts).toarray(), logs, rtol=1e-6)
    # Half of the counts of a gene are half of its value; a new gene has the unit of the cell
    np.testing.assert_allclose(
        np.expm1(cells.logs(np.array([[0, 6, 2, 1]])).toarray()), [[0, 5.2, 1.8, 0.9]], rtol=1e-6
    )


def test_means():
    cells = Cells.of_counts(COUNTS, LOGS)
    np.testing.assert_allclose(cells.level, LOGS.mean(0))
    # Pooled: 3, 2 and 12 counts in cells with a depth of 4, 3 and 10, of 10,000
    np.testing.assert_allclose(cells.mean, np.array([3, 2, 12]) / 17 * 1e4)
    plain = Cells.of_registered_counts(COUNTS)
    np.testing.assert_allclose(plain.level, COUNTS.mean(0))
    np.testing.assert_allclose(plain.mean, COUNTS.mean(0))


def test_some_cells():
    cells = Cells.of_counts(COUNTS, LOGS).take(np.array([3, 3, 0]))
    np.testing.assert_array_equal(cells.counts.toarray(), COUNTS[[3, 3, 0]])
    np.testing.assert_allclose(cells.logs(cells.counts).toarray(), LOGS[[3, 3, 0]], rtol=1e-6)


def test_the_given_matrix_is_not_changed():
    given = sparse.csr_matrix(LOGS)
    given.data[0] = 0.0
    before = given.copy()
    Cells.of_logs(given)
    assert given.nnz == before.nnz and (given.data == before.data).all()


def test_cells_have_no_more_counts_than_their_depth_allows():
    cells = Cells.of_counts(COUNTS, LOGS)
    np.testing.assert_allclose(cells.scaled_total, [1e4, 1e4, 0.0, 1e4], rtol=1e-6)
    assert cells.largest_totals(1e4).tolist() == [4, 3, 0, 10]
    # Of genes that are a part of those that cells were scaled over, a cell may have more than it had
    part = Cells.of_counts(COUNTS[:, :2], LOGS[:, :2])
    np.testing.assert_allclose(part.scaled_total, [2500.0, 1e4, 0.0, 1000.0], rtol=1e-6)
    assert part.largest_totals(1e4).tolist() == [4, 3, 0, 10]
    assert part.largest_totals(2000.0).tolist() == [1, 3, 0, 2]
