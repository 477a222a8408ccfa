from __future__ import annotations

import numpy as np
import pytest

from scpi.benchmark.splits._split import choose, draw

STRATA = np.array(["a"] * 10 + ["b"] * 4 + ["c"] * 3, dtype=object)


@pytest.mark.parametrize(("fraction", "expected"), [(0.5, [5, 2]), (0.26, [3, 1]), (0.0, [0, 0]), (1.0, [10, 4])])
def test_each_stratum_gives_its_fraction(fraction, expected):
    among = STRATA != "c"
    drawn = draw(among, STRATA, fraction, np.random.default_rng(0))
    assert [int(drawn[name == STRATA].sum()) for name in "ab"] == expected
    assert not drawn[STRATA == "c"].any()


def test_every_cell_is_drawn_as_often_as_any_other():
    rng = np.random.default_rng(1)
    often = sum(draw(STRATA == "a", STRATA, 0.3, rng).astype(int) for _ in range(2000))[:10]
    # Of 2,000 draws of 3 of 10, five standard errors around 600
    assert np.abs(often - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


def test_what_is_asked_for_keeps_its_order():
    assert choose(None, ["a", "b"], "context") == ["a", "b"]
    assert choose("b", ["a", "b"], "context") == ["b"]
    assert choose(["b", "a"], ["a", "b"], "context") == ["b", "a"]
    with pytest.raises(ValueError, match="no context 'z' to leave out, only 'a', 'b'"):
        choose(["a", "z"], ["a", "b"], "context")
