from __future__ import annotations

import pytest

from scpi.benchmark.grid import GridFold, GridSplit
from scpi.benchmark.grid._record import built, without_defaults


def test_plain_data_become_a_record():
    fold = built(GridFold, {"by": "random_cells", "fold": 1}, "splits", "a")
    assert fold == GridFold(by="random_cells", fold=1) and built(GridFold, fold) is fold
    with pytest.raises(ValueError, match="splits.a.fould: unknown entry 'fould', did you mean 'fold'"):
        built(GridFold, {"by": "random_cells", "fould": 1}, "splits", "a")
    with pytest.raises(ValueError, match="splits.a: has no entry 'fold'"):
        built(GridFold, {"by": "random_cells"}, "splits", "a")


def test_what_is_as_it_would_be_is_left_out():
    split = GridSplit(by="random_cells", inside=GridFold(by="random_cells", fold=0))
    assert without_defaults({"a": [split]}) == {
        "a": [{"by": "random_cells", "inside": {"by": "random_cells", "fold": 0}}]
    }
