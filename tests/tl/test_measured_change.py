from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scpi.tl._measured_change import measured_change


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_changes_and_errors_are_those_of_welch(convert):
    rng = np.random.default_rng(0)
    values = rng.poisson(2.0, (60, 5)) * rng.uniform(0.5, 2.0, (60, 5))
    # Two groups with controls of their own, a third that shares them, and cells that do not count
    codes = np.repeat([0, 1, 2, 3, 4, -1], [10, 7, 13, 11, 9, 10])
    control_of = [3, 4, 3]
    found = measured_change(convert(values), codes, control_of)
    assert found.n_cells.tolist() == [10, 7, 13]
    for group, control in enumerate(control_of):
        t = stats.ttest_ind(values[codes == group], values[codes == control], equal_var=False)
        np.testing.assert_allclose(found.change[group] / found.standard_error[group], t.statistic, rtol=1e-9)
        np.testing.assert_allclose(
            found.change[group], values[codes == group].mean(0) - values[codes == control].mean(0), rtol=1e-9
        )


def test_one_cell_has_a_change_but_no_error():
    found = measured_change([[4.0], [1.0], [3.0]], [0, 1, 1], [1])
    assert found.change.tolist() == [[2.0]]
    assert np.isnan(found.standard_error).all()


@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix])
def test_controls_that_no_group_is_compared_with_are_left_alone(convert):
    """The code of such controls was beyond the sums, which then wrote where other things are stored."""
    found = measured_change(convert(np.array([[4.0], [1.0], [3.0], [9.0]])), [0, 1, 1, 2], [1])
    assert found.change.tolist() == [[2.0]] and found.n_cells.tolist() == [1]
