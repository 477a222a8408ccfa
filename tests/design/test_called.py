from __future__ import annotations

import logging

import numpy as np
import pytest

from scpi.design._called import known_tests, pvals_of


@pytest.mark.parametrize("test", ["wilcoxon", "limma"])
def test_p_values_stand_at_their_genes(make_pilot, test, caplog):
    adata, change = make_pilot(n_samples=3, n_cells=40, n_controls=40)
    adata.X[:, -1] = 0
    with caplog.at_level(logging.INFO, "scpi"):
        pvals, adjusted = pvals_of(
            adata, ("perturbation", "donor"), reference="control", groups=["B", "A"], test=test, options={}
        )
    assert not caplog.records
    assert (adjusted[1, :8] < 0.05).all()
    assert (adjusted[0] > 0.05).mean() > 0.9
    assert (pvals <= adjusted).all()
    # A gene without counts
    assert adjusted[:, -1].tolist() == [1.0, 1.0]
    assert np.isfinite(adjusted).all()


def test_tests_of_samples_are_known():
    tests = known_tests()
    assert tests["wilcoxon"] == "cell"
    assert tests["limma"] == tests["deseq2"] == "sample"
