from __future__ import annotations

import pytest

from scpi.pl._checks import check_at_least_one, check_choice


def test_a_choice_is_one_of_the_known_ones():
    check_choice("by", "a", ["a", "b"])
    check_choice("by", None, ["a", "b"], optional=True)
    with pytest.raises(ValueError, match="`by` must be one of 'a', 'b', but is None"):
        check_choice("by", None, iter(["a", "b"]))
    with pytest.raises(ValueError, match="`by` must be None or one of 'a', 'b', but is 'c'"):
        check_choice("by", "c", ["a", "b"], optional=True)


def test_numbers_are_at_least_one_where_they_are_given():
    check_at_least_one(n_genes=1, n_sets=None)
    with pytest.raises(ValueError, match="`n_sets` must be at least 1, but is 0"):
        check_at_least_one(n_genes=5, n_sets=0)
