from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scpi._screen._expression import log_normalised, normalise, prepare_expression

COUNTS = np.array([[0.0, 2.0, 4.0], [1.0, 0.0, 2.0], [0.0, 0.0, 0.0], [5.0, 5.0, 2.0]], dtype=np.float32)


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_counts_become_expression_as_scanpy_makes_it(convert):
    adata = AnnData(COUNTS[[0, 1, 3]].copy())
    sc.pp.normalize_total(adata)
    given = convert(COUNTS)
    np.testing.assert_allclose(_dense(normalise(given))[[0, 1, 3]], adata.X, rtol=1e-6)
    sc.pp.log1p(adata)
    prepared = prepare_expression(given, takes="expression", transform="auto", log_base=None)
    np.testing.assert_allclose(_dense(prepared.tested)[[0, 1, 3]], adata.X, rtol=1e-6)
    assert prepared.log_base == np.e
    np.testing.assert_array_equal(_dense(prepared.tested)[2], 0)
    np.testing.assert_array_equal(_dense(given), COUNTS)  # what was given is not changed


def test_what_values_are_is_told_apart():
    def kind(values, takes="expression", transform="auto"):
        prepared = prepare_expression(np.asarray(values), takes=takes, transform=transform, log_base=None)
        return prepared.transform, prepared.log_base

    assert kind([[1.0, 3.0]]) == ("log1p_norm", np.e)
    assert kind([[1, 3]]) == ("log1p_norm", np.e)
    assert kind([[1.0, 3.0]], transform="none") == ("none", None)
    assert kind([[0.5, 3.2]]) == ("none", np.e)  # logarithms
    assert kind([[0.5, 300.2]]) == ("none", None)  # normalised counts
    assert kind([[1.0, 3.0]], takes="counts") == ("none", None)
    assert (
        prepare_expression(np.array([[-0.5, 3.2]]), takes="expression", transform="auto", log_base=None).scaled is None
    )


def test_a_fraction_among_many_integers_is_seen():
    values = np.ones((2000, 100), dtype=np.float32)
    values[-1, -1] = 0.5
    assert prepare_expression(values, takes="expression", transform="auto", log_base=None).transform == "none"


def _dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else matrix


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_logarithms_are_scanpys(make):
    expected = AnnData(COUNTS.copy())
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    found = log_normalised(make(COUNTS))
    assert sparse.issparse(found) == sparse.issparse(make(COUNTS))
    np.testing.assert_allclose(_dense(found), expected.X, rtol=1e-6)
