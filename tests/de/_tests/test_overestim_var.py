from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scpi.de._registry import find
from scpi.de._tests._method import Cells


def test_the_reference_counts_as_having_as_few_cells_as_the_group():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1], [200, 20])
    values = rng.normal(size=(220, 5)) + codes[:, None]
    result = find("t-test_overestim_var").test(Cells(values=values, codes=codes, reference=0))
    for column in range(5):
        x, y = values[codes == 1, column], values[codes == 0, column]
        expected = stats.ttest_ind_from_stats(x.mean(), x.std(ddof=1), 20, y.mean(), y.std(ddof=1), 20, equal_var=False)
        assert result.score[1, column] == pytest.approx(expected.statistic, rel=1e-9)
        assert result.pval[1, column] == pytest.approx(expected.pvalue, rel=1e-8)
