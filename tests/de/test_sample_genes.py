from __future__ import annotations

import numpy as np
import pytest

from scpi.de import filter_by_expr
from scpi.de._design import DesignError, as_design
from scpi.de._sample_genes import genes_to_test

DESIGN = as_design(np.repeat(np.eye(2), 3, axis=0), n_samples=6)


def test_genes_with_counts_or_enough_of_them():
    counts = np.tile([0, 1, 500, 400], (6, 1))
    counts[1:, 1] = 0
    assert genes_to_test(counts, DESIGN, filtered=False).tolist() == [1, 2, 3]
    assert (
        genes_to_test(counts, DESIGN, filtered=True).tolist() == np.flatnonzero(filter_by_expr(counts, DESIGN)).tolist()
    )
    assert genes_to_test(counts, DESIGN, filtered=True).tolist() == [2, 3]


def test_too_few_genes_or_a_sample_without_counts_are_refused():
    with pytest.raises(DesignError, match="1 of 2 genes have any counts"):
        genes_to_test(np.tile([0, 5], (6, 1)), DESIGN, filtered=False)
    with pytest.raises(DesignError, match="0 of 2 genes have enough counts to be tested: see `scpi.de.filter_by_expr`"):
        genes_to_test(np.ones((6, 2)), DESIGN, filtered=True)
    with pytest.raises(DesignError, match=r"4 sample\(s\) have no counts in the 2 genes"):
        genes_to_test(np.eye(6, 2), DESIGN, filtered=False)
