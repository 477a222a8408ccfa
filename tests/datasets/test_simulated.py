from __future__ import annotations

import pytest
from scipy import sparse

from scpi.datasets._simulated import check_numbers, simulated


def test_the_parameter_that_violates_a_requirement_is_named():
    check_numbers("above 0", lambda x: x > 0, a=1.0, b=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"`b` must be above 0, but is \[1.0, -2.0\]"):
        check_numbers("above 0", lambda x: x > 0, a=1.0, b=[1.0, -2.0])


def test_cells_and_genes_are_numbered():
    adata = simulated(sparse.csr_matrix((2, 3)), {"depth": [1.0, 2.0]}, {"base_mean": [1.0, 2.0, 3.0]})
    assert list(adata.obs_names) == ["Cell1", "Cell2"]
    assert list(adata.var_names) == ["Gene1", "Gene2", "Gene3"]
    assert adata.obs["depth"].tolist() == [1.0, 2.0]
