from __future__ import annotations

import pytest

from scpi.benchmark.splits._choose import choose


def test_what_is_asked_for_keeps_its_order():
    assert choose(None, ["a", "b"], "context") == ["a", "b"]
    assert choose("b", ["a", "b"], "context") == ["b"]
    assert choose(["b", "a"], ["a", "b"], "context") == ["b", "a"]
    with pytest.raises(ValueError, match="no context 'z' to leave out, only 'a', 'b'"):
        choose(["a", "z"], ["a", "b"], "context")
