from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi import de

GENES = [f"gene{i}" for i in range(60)]


@pytest.fixture(scope="module")
def fit():
    values = np.random.default_rng(0).normal(size=(9, 60))
    values[3:6, 7] += 6.0
    values[6:, 8] -= 3.0
    linear = de.lm_fit(values, np.repeat(np.eye(3), 3, axis=0))
    return de.ebayes(de.contrasts(linear, [[-1, -1], [1, 0], [0, 1]], names=["b", "c"]))


def test_one_contrast(fit):
    table = de.top_table(fit, "b", genes=GENES)
    assert table.columns.tolist() == [
        "logFC",
        "ci_low",
        "ci_high",
        "ave_expr",
        "t",
        "pval",
        "log10_pval",
        "pval_adj",
        "B",
    ]
    assert table.index[0] == "gene7"
    assert table["pval"].is_monotonic_increasing
    table = table.loc[GENES]
    np.testing.assert_array_equal(table["logFC"], fit.coefficients[0])
    np.testing.assert_allclose(table["pval_adj"], stats.false_discovery_control(fit.pval[0]))
    np.testing.assert_allclose(10.0 ** table["log10_pval"], table["pval"])


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_excludes_zero_just_where_p_is_small(fit, level):
    table = de.top_table(fit, 1, confidence_level=level)
    outside = (table["ci_low"] > 0) | (table["ci_high"] < 0)
    assert (outside == (table["pval"] < 1 - level)).all()
    assert 0 < outside.sum() < 60
    np.testing.assert_allclose((table["ci_low"] + table["ci_high"]) / 2, table["logFC"])


def test_order_and_length(fit):
    assert de.top_table(fit, 0, sort_by="B")["B"].is_monotonic_decreasing
    assert de.top_table(fit, 0, sort_by="logFC", n=5)["logFC"].abs().is_monotonic_decreasing
    assert de.top_table(fit, 0, sort_by="none").index.tolist() == list(range(60))
    assert len(de.top_table(fit, 0, n=5)) == 5


def test_all_contrasts_together(fit):
    table = de.top_table(fit, genes=GENES)
    assert table.columns.tolist() == ["b", "c", "ave_expr", "F", "pval", "log10_pval", "pval_adj"]
    assert table.index[0] == "gene7"
    np.testing.assert_array_equal(table.loc[GENES, "F"], fit.f)


def test_errors(fit):
    with pytest.raises(ValueError, match="`coef` is 'a', but the coefficients are 'b', 'c'"):
        de.top_table(fit, "a")
    with pytest.raises(ValueError, match="there are 2 coefficients"):
        de.top_table(fit, 2)
    with pytest.raises(ValueError, match="`sort_by`"):
        de.top_table(fit, 0, sort_by="t")
    with pytest.raises(ValueError, match="`confidence_level`"):
        de.top_table(fit, 0, confidence_level=1.0)
    with pytest.raises(ValueError, match="1 names for 60 genes"):
        de.top_table(fit, 0, genes=["a"])
