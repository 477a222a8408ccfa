from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.benchmark._challenge._expression_tests import expressed, per_million, run_tests
from scpi.benchmark._challenge._side import read_side


@pytest.fixture
def side(measured):
    return read_side(measured, "measured", perturbation_key="perturbation", control="control", layer=None, names=None)


def test_genes_of_the_control_are_tested(side, measured):
    control = measured.X[(measured.obs["perturbation"] == "control").to_numpy()].toarray().astype(float)
    mean = (1e6 * control / control.sum(1, keepdims=True)).mean(0)
    np.testing.assert_array_equal(expressed(side.cells(0)), np.flatnonzero(mean > 5))
    assert len(expressed(side.cells(0))) < measured.n_vars


def test_tests_are_those_of_scipy_with_ties(side):
    control = side.cells(0)
    genes = expressed(control)
    found = run_tests(side, control, genes)
    logs = [np.log1p(per_million(side.cells(code)).toarray()[:, genes]) for code in range(len(side.names))]
    for row in (0, 3, 5):
        expected = stats.mannwhitneyu(logs[row + 1], logs[0], method="asymptotic", use_continuity=False)
        np.testing.assert_allclose(found.pval[row], expected.pvalue, rtol=1e-9)
        np.testing.assert_allclose(found.pval_adj[row], stats.false_discovery_control(expected.pvalue), rtol=1e-9)
        means = [np.expm1(x).mean(0) for x in (logs[row + 1], logs[0])]
        np.testing.assert_allclose(found.lfc[row], np.log2((means[0] + 1e-9) / (means[1] + 1e-9)), rtol=1e-9)
