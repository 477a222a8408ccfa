from __future__ import annotations

from dataclasses import replace

from scpi._screen._expression import check_stored_values
from scpi.de._moments import group_moments, other_moments
from scpi.de._test_result import TestResult, check_groups
from scpi.de._tests._method import Cells, Method
from scpi.de._tests._welch import compare_means


def _test(cells: Cells) -> TestResult:
    matrix = check_stored_values(cells.values)
    groups, n_groups = check_groups(matrix.shape[0], cells.codes, cells.reference, 2)
    moments = group_moments(matrix, groups, n_groups=n_groups)
    # The reference counts as if it had as few cells as the group
    other = replace(other_moments(moments, cells.reference), size=moments.size)
    return compare_means(moments, other, cells.reference)


METHOD = Method(
    name="t-test_overestim_var",
    test=_test,
    takes="expression",
    null="As the t-test, but conservative: the reference counts as having as few cells as the group.",
    source="scanpy.tl.rank_genes_groups",
)
