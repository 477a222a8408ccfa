from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from scvi.data import AnnDataManager
from scvi.data.fields import LayerField
from scvi.model._utils import scrna_raw_counts_properties

from scpi.model.base.posterior._statistics import CountStatistics


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
def test_statistics_are_those_of_scvi_tools(form):
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(1.0, 2.0, 7), (30, 7)).astype(np.float32)
    counts[:, 0] += 1
    one, two = np.arange(30) < 12, np.arange(30) >= 20
    adata = ad.AnnData(sparse.csr_matrix(counts))
    manager = AnnDataManager([LayerField("X", None)], setup_method_args={})
    manager.register_fields(adata)
    expected = scrna_raw_counts_properties(manager, one, two)
    found = CountStatistics(form(counts))(None, one, two)
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


def test_cells_without_counts():
    counts = np.array([[0, 0], [1, 3], [0, 0], [2, 2]], dtype=np.float32)
    found = CountStatistics(counts)(None, np.array([True, True, False, False]), np.array([False, False, True, True]))
    np.testing.assert_allclose(found["raw_normalized_mean1"], [1250.0, 3750.0])
    np.testing.assert_allclose(found["non_zeros_proportion2"], [0.5, 0.5])
    nothing = CountStatistics(0 * counts)(None, np.arange(4) < 2, np.arange(4) >= 2)
    np.testing.assert_array_equal(nothing["raw_normalized_mean1"], [0.0, 0.0])
