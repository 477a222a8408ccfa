from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scpi._features._rows import covered_rows, find_rows, take_rows, unit_rows


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_rows_have_length_one_or_stay_zero(convert):
    found = unit_rows(convert(np.array([[3.0, 4.0], [0.0, 0.0]])))
    dense = found.toarray() if sparse.issparse(found) else found
    np.testing.assert_allclose(dense, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    assert found.dtype == np.float32
    assert covered_rows(found).tolist() == [True, False]


def test_ids_are_found_in_upper_case_only_where_it_is_needed():
    find = {"what": "the table"}
    assert find_rows(["a", "B", "c"], ["A", "B"], case="auto", **find).tolist() == [-1, 1, -1]
    assert find_rows(["a", "b"], ["A", "B"], case="auto", **find).tolist() == [0, 1]
    assert find_rows(["a", "B"], ["A", "B"], case="upper", **find).tolist() == [0, 1]
    assert find_rows(["ENSG00000141510.18"], ["ENSG00000141510.2"], case="exact", **find).tolist() == [0]


def test_the_kinds_of_ids_are_named():
    with pytest.raises(ValueError, match=r"in the table.*human gene symbols.*'TP53'.*human Ensembl ids.*`id_map`"):
        find_rows(["TP53"], ["ENSG00000141510"], case="auto", what="the table")


def test_rows_that_are_not_there_are_zero():
    taken = take_rows(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1, -1]))
    assert taken.tolist() == [[3.0, 4.0], [0.0, 0.0]]
