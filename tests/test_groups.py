from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scpi._groups import REST, as_items, choose_groups, group_sizes, named_groups, other_mean, plan_comparisons

LABELS = pd.Categorical(["0", "1", "1", "2", "2", None, "0"])


def test_one_item_or_several():
    assert as_items("rep") == ["rep"]
    assert as_items(5) == as_items(np.int64(5)) == [5]
    assert as_items(("a", "b")) == as_items(np.array(["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize("reference", [0, "0", np.int64(0)])
@pytest.mark.parametrize("groups", [[1], 1, "1", ("1",), [1.0]])
def test_numbers_stand_for_labels(reference, groups):
    plan = plan_comparisons(LABELS, "group", groups, reference, 1)
    assert plan.tested == ["1"]
    assert (plan.reference, plan.reference_name, plan.n_groups) == (1, "0", 2)
    assert plan.codes.tolist() == [1, 0, 0, -1, -1, -1, 1]
    assert plan.sizes.tolist() == [2, 2]


def test_groups_that_are_not_tested_are_part_of_the_rest():
    plan = plan_comparisons(LABELS, "group", ["1"], REST, 1)
    assert plan.reference is None
    assert plan.codes.tolist() == [1, 0, 0, 1, 1, -1, 1]


def test_combinations_in_both_orders_are_one_group():
    labels = pd.Categorical(["A+B", "B+A", "control", "control", "A+control", "A"])
    with pytest.warns(UserWarning, match="are merged"):
        plan = plan_comparisons(labels, "perturbation", "all", "control", 1)
    assert plan.tested == ["A", "A+B"]
    assert plan.codes.tolist() == [1, 1, 2, 2, 0, 0]
    with pytest.warns(UserWarning, match="are merged"):
        assert plan_comparisons(labels, "perturbation", "B+A", "control", 1).tested == ["A+B"]


def test_small_groups():
    sizes = group_sizes(LABELS)
    assert sizes == {"0": 2, "1": 2, "2": 2}
    sizes["2"] = 1
    with pytest.warns(UserWarning, match="fewer than 2 cells: '2'"):
        assert choose_groups(sizes, "group", "all", "0", 2) == ["1"]
    with pytest.raises(ValueError, match=r"fewer than 2 cells and cannot be tested: '2' \(1\)"):
        choose_groups(sizes, "group", [2], "0", 2)


def test_groups_that_cannot_be_tested():
    with pytest.raises(ValueError, match="'9' that is no label"):
        named_groups(["0", "1"], "group", [9], "0")
    with pytest.raises(ValueError, match="is empty"):
        named_groups(["0", "1"], "group", [], "0")
    with pytest.raises(ValueError, match="itself"):
        named_groups(["0", "1"], "group", [0], "0")


def test_the_mean_of_the_others():
    mean, size = np.array([[1.0], [3.0], [5.0]]), np.array([1, 1, 2])
    np.testing.assert_allclose(other_mean(mean, size, None).ravel(), [13 / 3, 11 / 3, 2.0])
    np.testing.assert_allclose(other_mean(mean, size, 1).ravel(), [3.0] * 3)
