from __future__ import annotations

import pytest

from scpi.pl._checks import check_at_least_one, check_choice


def test_a_choice_is_one_of_several():
    check_choice("scale", "gene", ["group", "gene"])
    check_choice("scale", None, ["group", "gene"], optional=True)
    with pytest.raises(ValueError, match="`scale` must be one of 'group', 'gene', but is None"):
        check_choice("scale", None, ["group", "gene"])
    with pytest.raises(ValueError, match="`scale` must be None or one of 'group', 'gene', but is 'row'"):
        check_choice("scale", "row", iter(["group", "gene"]), optional=True)


def test_numbers_are_at_least_one():
    check_at_least_one(n_genes=1, ncols=None)
    with pytest.raises(ValueError, match="`ncols` must be at least 1, but is 0"):
        check_at_least_one(n_genes=1, ncols=0)
